"""Importing another tool's run over the management API."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from rest_framework.test import APIClient

from evals.models import Run
from tests import builders as shared
from tests.clients import signed_in

pytestmark = pytest.mark.django_db

LOGS = Path(__file__).parent.parent / "formats/inspect_logs"


def body(name: str = "groups.eval", **fields: Any) -> dict[str, Any]:
    content = base64.b64encode((LOGS / name).read_bytes()).decode()
    values = {
        "format": "inspect",
        "checkpoint": "chat-nano-1",
        "files": [{"name": name, "content": content}],
    }
    return {**values, **fields}


def post(client: APIClient, given: dict[str, Any]) -> Any:
    return client.post("/api/runs/import/", given, format="json")


@pytest.fixture
def eval_owner() -> APIClient:
    shared.cast()
    shared.checkpoint()
    return signed_in("eval_owner")


def test_a_log_is_imported_once(eval_owner: APIClient) -> None:
    first = post(eval_owner, body())
    assert first.status_code == 201, first.content
    run = first.json()["run"]
    assert (run["source"], run["state"], run["n_expected"]) == ("imported", "completed", 8)
    assert run["origin"]["model"] == "mockllm/model"
    stated = {metric["name"]: metric for metric in run["origin"]["stated"]}
    assert stated["includes/accuracy"]["agrees"] is True
    again = post(eval_owner, body())
    assert (again.status_code, again.json()["is_new"]) == (200, False)
    assert Run.objects.count() == 1


@pytest.mark.parametrize(
    ("fields", "status", "expected"),
    [
        ({"format": "slipway"}, 400, "format"),
        ({"checkpoint": "nobody"}, 404, "nobody"),
        ({"files": []}, 400, "files"),
        ({"files": [{"name": "../x.eval", "content": "UEs="}]}, 400, "name"),
        ({"files": [{"name": "x.eval", "content": "no base64"}]}, 400, "is not base64"),
        ({"files": [{"name": "x.eval", "content": "UEsDBA=="}]}, 400, "x.eval"),
        ({"files": [{"name": "x", "content": ""}] * 2}, 400, "two files have one name"),
    ],
)
def test_what_is_wrong_is_named(
    eval_owner: APIClient, fields: dict[str, Any], status: int, expected: str
) -> None:
    answer = post(eval_owner, body(**fields))
    assert (answer.status_code, expected in answer.content.decode()) == (status, True)
    assert not Run.objects.exists()


def test_an_auditor_imports_nothing(eval_owner: APIClient) -> None:
    assert post(signed_in("auditor"), body()).status_code == 403


def test_the_runs_page_shows_what_the_log_states_beside_our_numbers(eval_owner: APIClient) -> None:
    run = post(eval_owner, body()).json()["run"]
    page = eval_owner.get(f"/console/runs/{run['id']}/").content.decode()
    assert "Imported, not called here" in page and "mockllm/model" in page
    assert "includes/accuracy" in page and "agrees" in page and "differs" not in page
    assert "not computed here" in page and "Left out: events, store" in page
