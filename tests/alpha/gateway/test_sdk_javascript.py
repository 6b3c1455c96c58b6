"""The stock OpenAI SDK for JavaScript against the gateway, run by node."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from releases.models import Release
from tests import node_packages
from tests.alpha.builders import Access
from tests.alpha.gateway.server import Running, wait_for
from tests.alpha.gateway.test_limits import limit, price
from tests.alpha.gateway.upstream import Upstream

HERE = Path(__file__).parent / "javascript"
RUN_S = 60


@pytest.fixture(scope="module")
def installed() -> Path:
    """A folder with the pinned SDK and the script that calls it."""
    folder = node_packages.installed(HERE)
    shutil.copyfile(HERE / "check.mjs", folder / "check.mjs")
    return folder


@pytest.fixture
def run(installed: Path, gateway: Running, granted: Access) -> Any:
    def phase(name: str) -> Any:
        done = subprocess.run(
            ["node", "check.mjs", gateway.url, granted.key_text, name],
            cwd=installed,
            capture_output=True,
            text=True,
            timeout=RUN_S,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return phase


def test_it_runs_every_endpoint_unchanged(run: Any) -> None:
    told = run("answers")
    chat = {"text": "Hello there!", "streamed": "Hello there!", "model": "quasar-alpha", "ids": 1}
    assert told["chat"] == chat
    response = {"text": "Hello there!", "streamed": "Hello there!", "model": "quasar-alpha"}
    assert told["responses"] == {**response, "tokens": 8, "last": "response.completed"}
    assert told["others"]["models"] == ["quasar-alpha"]
    assert told["others"]["vectors"] == [[0.5, -0.25, 0.0], [0.5, -0.25, 1.0]]
    assert told["others"]["text"] == "Hello there!"
    assert told["wrongKey"]["name"] == "AuthenticationError"
    assert told["unknown"]["name"] == "NotFoundError"
    assert told["unknown"]["code"] == "model_not_found" and told["unknown"]["param"] == "model"


def test_tools_and_structured_output_come_through(run: Any, upstream: Upstream) -> None:
    upstream.behaviour.tool = True
    assert run("tools") == {"chat": ["look", "it"], "response": ["look", "it"]}
    upstream.behaviour.tool = False
    upstream.behaviour.words = ['{"town":', ' "Bern"}']
    assert run("structured") == {"chat": {"town": "Bern"}, "response": {"town": "Bern"}}


def test_a_spent_budget_is_an_api_error_that_is_not_sent_again(
    run: Any, gateway: Running, granted: Access
) -> None:
    price(granted, 1_000_000, gateway)
    limit(granted, gateway, budget_micros=1)
    error = run("refusedForGood")
    assert (error["status"], error["code"], error["sent"]) == (402, "insufficient_quota", 1)
    assert error["isApi"]


def test_rates_and_halts_are_its_own_typed_errors(
    run: Any, gateway: Running, granted: Access
) -> None:
    limit(granted, gateway, requests_per_minute=1)
    assert run("refused") == {"served": True}
    error = run("refused")
    assert (error["name"], error["code"]) == ("RateLimitError", "rate_limit_exceeded")
    Release.objects.update(state="halted")
    wait_for(lambda: state_of(gateway, granted) == "halted", "the halt is known")
    error = run("refused")
    assert (error["name"], error["status"]) == ("InternalServerError", 503)
    assert error["code"] == "release_halted"


def state_of(gateway: Running, granted: Access) -> str:
    table = gateway.parts.tables.table
    assert table is not None
    return table.releases[granted.stage.pk, granted.checkpoint.size][0].state.value
