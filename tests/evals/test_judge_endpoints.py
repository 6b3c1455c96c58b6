"""The setting that names the models which graders may ask."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from evals import judge_endpoints
from evals.selectors import model_endpoints
from infra.errors import InvalidInput
from tests.evals import builders

ONE = '{"judge": {"base_url": "http://127.0.0.1:9/v1", "model": "m-1"}}'


def test_no_setting_is_no_endpoint() -> None:
    assert judge_endpoints.parse("") == {}


def test_entries_are_read_from_json_and_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "judges.yaml"
    file.write_text("judge: {base_url: 'http://127.0.0.1:9/v1', model: m-1}\n")
    assert judge_endpoints.parse(ONE) == judge_endpoints.parse(str(file))
    assert judge_endpoints.parse(ONE)["judge"]["model"] == "m-1"


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("{", "neither JSON nor YAML"),
        ("/nowhere/judges.yaml", "can't be read"),
        ('{"judge": {}}', "base_url"),
        ('{"judge": {"base_url": "ftp://x"}}', "base_url"),
        ('{"judge": {"base_url": "http://x/v1", "secret": "sk-12345"}}', "secret"),
        ('{"judge": {"base_url": "http://x/v1", "price": {"input": 1}}}', "output"),
        ('{"judge": {"base_url": "http://x/v1", "colour": 1}}', "colour"),
    ],
)
def test_a_bad_setting_is_refused_with_its_place(setting: str, said: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=said):
        judge_endpoints.parse(setting)


@pytest.mark.django_db
def test_a_model_is_an_entry_of_the_setting_or_a_deployed_checkpoint(settings: object) -> None:
    settings.JUDGE_ENDPOINTS = judge_endpoints.parse(ONE)  # type: ignore[attr-defined]
    builders.published(1)
    builders.served("http://127.0.0.1:8/v1", "chat-nano-1")
    found = model_endpoints.endpoints_named(["judge", "chat-nano-1"])
    assert (found["judge"].upstream_model, found["judge"].prices) == ("m-1", None)
    assert found["chat-nano-1"].base_url == "http://127.0.0.1:8/v1"
    asked = found["chat-nano-1"].request({"messages": [{"role": "user", "content": "Hi"}]})
    assert asked["messages"][0]["role"] == "system"
    with pytest.raises(InvalidInput, match=r"'gpt-none'.*it has judge"):
        model_endpoints.endpoints_named(["judge", "gpt-none"])
