"""Importing another tool's suite over the management API."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from rest_framework.test import APIClient

from evals.models import Run, Suite
from infra.roles import Scope
from infra.service_keys import make_service_key
from tests import builders as shared
from tests.clients import signed_in

pytestmark = pytest.mark.django_db

FORMATS = Path(__file__).parent.parent / "formats"
CONFIG = FORMATS / "promptfoo_recorded/promptfooconfig.yaml"
LOG = FORMATS / "inspect_logs/groups.eval"


def body(*paths: Path, **fields: Any) -> dict[str, Any]:
    files = [
        {"name": path.name, "content": base64.b64encode(path.read_bytes()).decode()}
        for path in paths or (CONFIG,)
    ]
    return {"format": "promptfoo", "files": files, **fields}


def post(client: APIClient, given: dict[str, Any], name: str = "capitals", plan: str = "") -> Any:
    return client.post(f"/api/suites/{name}/import/{plan}", given, format="json")


@pytest.fixture
def eval_owner() -> APIClient:
    shared.cast()
    shared.checkpoint()
    return signed_in("eval_owner")


def test_the_plan_tells_what_the_import_then_does(eval_owner: APIClient) -> None:
    plan = post(eval_owner, body(), plan="plan/")
    assert plan.status_code == 200, plan.content
    told = plan.json()
    assert (told["version"], told["is_new"], told["n_cases"]) == (1, True, 12)
    assert any("assert javascript" in sentence for sentence in told["not_expressible"])
    assert told["graders"] and told["would_go_stale"] == []
    assert not Suite.objects.exists()
    made = post(eval_owner, body())
    assert made.status_code == 201
    same = ("suite", "version", "is_new", "n_cases", "components", "not_expressible")
    assert {key: made.json()[key] for key in same} == {key: told[key] for key in same}
    again = post(eval_owner, body())
    assert (again.status_code, again.json()["is_new"]) == (200, False)
    assert post(eval_owner, body(), plan="plan/").json()["is_new"] is False


def test_a_draft_is_left_and_stops_the_next_import(eval_owner: APIClient) -> None:
    assert post(eval_owner, body(publish=False)).status_code == 201
    for plan in ("plan/", ""):
        answer = post(eval_owner, body(), plan=plan)
        assert (answer.status_code, answer.json()["code"]) == (409, "draft_open")


def test_a_key_with_the_scope_imports_and_others_do_not(eval_owner: APIClient) -> None:
    manager = shared.cast().release_manager
    for scopes, status in (([Scope.RUN], 403), ([Scope.SUITES], 200)):
        _, text = make_service_key(actor=manager, name=f"ci {status}", scopes=scopes)
        client = APIClient(headers={"Authorization": f"Bearer {text}"})
        assert post(client, body(), plan="plan/").status_code == status
    assert post(signed_in("auditor"), body(), plan="plan/").status_code == 403
    assert post(APIClient(), body()).status_code == 401


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"format": "floppy"}, "format"),
        ({"files": []}, "files"),
        ({"main": "other.yaml"}, "none of the files sent"),
        ({"files": [{"name": "x.yaml", "content": "e3Vu"}]}, "is not YAML"),
        ({"files": [{"name": "x.json", "content": ""}]}, "x.json"),
    ],
)
def test_what_is_wrong_is_named(
    eval_owner: APIClient, fields: dict[str, Any], expected: str
) -> None:
    for plan in ("plan/", ""):
        answer = post(eval_owner, body(**fields), plan=plan)
        assert (answer.status_code, expected in answer.content.decode()) == (400, True)
    assert not Suite.objects.exists()


def test_the_plan_of_results_tells_their_counts(eval_owner: APIClient) -> None:
    given = {**body(LOG), "format": "inspect", "checkpoint": "chat-nano-1"}
    plan = eval_owner.post("/api/runs/import/plan/", given, format="json")
    assert plan.status_code == 200, plan.content
    told = plan.json()
    assert (told["n_results"], sum(told["states"].values()), told["makes_suite"]) == (8, 8, True)
    assert told["model"] == "mockllm/model" and "includes/accuracy" in told["stated"]
    assert not Run.objects.exists() and not Suite.objects.exists()
    missing = {**given, "checkpoint": "nobody"}
    assert eval_owner.post("/api/runs/import/plan/", missing, format="json").status_code == 404
