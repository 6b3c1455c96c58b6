"""Suites, runs, comparisons and cases over HTTP: shapes, and every refusal."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from evals.formats import slipway
from evals.models import Run, SuiteVersion
from infra.ids import uuid7
from infra.models import User
from infra.roles import Scope
from infra.service_keys import make_service_key
from releases.models import Checkpoint
from tests import builders as shared
from tests.alpha import builders as alpha
from tests.evals import builders
from tests.evals.upstream import Upstream

pytestmark = pytest.mark.django_db


class Caller:
    """Speaks JSON as a login or with a service key."""

    def __init__(self, login: str = "", *scopes: Scope) -> None:
        cast = shared.cast()
        self.client, self.headers = Client(), {}
        if login:
            self.client.force_login(User.objects.get(username=login))
        else:
            name = f"ci {uuid7()}"
            _, text = make_service_key(actor=cast.release_manager, name=name, scopes=scopes)
            self.headers = {"Authorization": f"Bearer {text}"}

    def get(self, path: str, **query: Any) -> tuple[int, Any]:
        reply = self.client.get(f"/api/{path}", query, headers=self.headers)
        return reply.status_code, reply.json()

    def post(self, path: str, **body: Any) -> tuple[int, Any]:
        reply = self.client.post(
            f"/api/{path}", body, content_type="application/json", headers=self.headers
        )
        return reply.status_code, reply.json()


def document(n_cases: int = 12) -> dict[str, Any]:
    """The echo suite as a request's body."""
    spec = builders.suite_spec(n_cases)
    suite = slipway.suite_as_json(spec)
    return {"suite": suite, "cases": [case.as_json() for case in spec.cases]}


def test_a_document_becomes_a_version_once() -> None:
    caller = Caller("eval_owner")
    status, made = caller.post("suites/", **document())
    assert (status, made["version"], made["is_new"], made["n_cases"]) == (201, 1, True, 12)
    status, again = caller.post("suites/", **document())
    assert (status, again["version"], again["is_new"]) == (200, 1, False)
    assert SuiteVersion.objects.get().digest == builders.suite_spec(12).digest()
    status, suites = caller.get("suites/")
    assert [(row["name"], row["version"], row["state"]) for row in suites["results"]] == [
        ("echo", 1, "fresh")
    ]
    assert caller.get("suites/echo/")[1]["n_cases"] == 12
    assert caller.get("suites/echo/versions/")[1][0]["components"] == builders.COMPONENTS


def test_a_bad_document_is_refused_by_field() -> None:
    body = document()
    body["cases"][3]["components"] = ["nowhere"]
    status, refusal = Caller("eval_owner").post("suites/", **body)
    assert (status, refusal["code"]) == (400, "suite_file")
    assert "line 4" in refusal["message"]
    assert "nowhere" in refusal["message"]
    assert not SuiteVersion.objects.exists()


@pytest.mark.parametrize("who", ["engineer", "behaviour_reviewer", "auditor", "partner_manager"])
def test_who_may_not_post_suites(who: str) -> None:
    status, refusal = Caller(who).post("suites/", **document())
    assert (status, refusal["code"]) == (403, "not_permitted")


def test_a_key_needs_the_scope_of_what_it_does(upstream: Upstream) -> None:
    builders.published(3)
    builders.served(upstream.base_url)
    reader = Caller("", Scope.READ)
    body = {"suite": "echo", "checkpoint": "chat-nano-1"}
    assert reader.post("suites/", **document())[0] == 403
    assert reader.post("runs/", **body)[0] == 403
    assert Caller("", Scope.SUITES).post("suites/", **document())[0] == 201
    assert Caller("", Scope.RUN).post("runs/", **body)[0] == 201


def test_nobody_unknown_gets_anything() -> None:
    reply = Client().get("/api/runs/")
    assert reply.status_code == 401


def test_a_run_from_start_to_results(upstream: Upstream) -> None:
    builders.published(12)
    builders.served(upstream.base_url)
    caller = Caller("engineer")
    body = {"suite": "echo@1", "checkpoint": "chat-nano-1", "idempotency_key": "nightly"}
    status, run = caller.post("runs/", **body)
    assert (status, run["state"], run["n_expected"]) == (201, "queued", 12)
    assert caller.post("runs/", **body)[1]["id"] == run["id"]
    builders.execute(Run.objects.get())
    status, shown = caller.get(f"runs/{run['id']}/")
    assert (shown["state"], shown["progress"]["done"], shown["progress"]["passed"]) == (
        "completed",
        12,
        12,
    )
    assert {metric["node"]: metric["mean"] for metric in shown["metrics"]}[""] == 1.0
    status, results = caller.get(f"runs/{run['id']}/results/", limit=2)
    assert (results["count"], len(results["results"])) == (12, 2)
    first = results["results"][0]
    assert (first["case_id"], first["output"]["text"], first["state"]) == (
        "c00000",
        "word-0",
        "passed",
    )
    assert caller.get(f"runs/{run['id']}/results/", state="errored")[1]["count"] == 0
    assert len(caller.get("runs/", suite="echo", state="completed")[1]["results"]) == 1


def test_refusals_of_starting_a_run(upstream: Upstream) -> None:
    builders.published(3)
    shared.checkpoint("undeployed")
    caller = Caller("engineer")

    def code(**body: Any) -> tuple[int, str]:
        status, refusal = caller.post("runs/", **body)
        return status, refusal["code"]

    assert code(suite="echo", checkpoint="undeployed") == (409, "no_active_deployment")
    assert code(suite="echo", checkpoint="nobody") == (404, "no_such_checkpoint")
    assert code(suite="nothing", checkpoint="undeployed") == (404, "no_such_suite")
    assert code(suite="echo@9", checkpoint="undeployed") == (404, "no_such_version")
    assert code(suite="echo", checkpoint="undeployed", repeats=0) == (400, "invalid_input")
    assert code(suite="Echo!", checkpoint="undeployed") == (400, "invalid_input")
    builders.served(upstream.base_url)
    words = {"suite": "echo", "checkpoint": "chat-nano-1", "idempotency_key": "k"}
    assert caller.post("runs/", **words)[0] == 201
    assert code(**words, repeats=2) == (409, "key_reused")


def test_cancel_takes_a_reason_and_is_final(upstream: Upstream) -> None:
    run = builders.start(builders.published(3), builders.served(upstream.base_url))
    caller = Caller("engineer")
    assert caller.post(f"runs/{run.pk}/cancel/")[0] == 400
    assert caller.post(f"runs/{run.pk}/cancel/", reason="typo")[1]["state"] == "cancelled"
    status, refusal = caller.post(f"runs/{run.pk}/cancel/", reason="again")
    assert (status, refusal["code"]) == (409, "invalid_move")
    assert Caller("auditor").post(f"runs/{run.pk}/cancel/", reason="no")[0] == 403
    assert caller.get(f"runs/{uuid7()}/")[0] == 404


def test_a_comparison_names_the_run_that_is_missing(upstream: Upstream) -> None:
    version = builders.published(12)
    asked = {"candidate": "new", "baseline": "old", "suite": "echo"}
    for name in ("new", "old"):
        builders.served(upstream.base_url, name)
    caller = Caller("auditor")
    status, refusal = caller.get("comparisons/", **asked)
    assert (status, refusal["code"]) == (404, "no_completed_run")
    assert "manage.py run start echo@1 new" in refusal["message"]
    for made in Checkpoint.objects.all():
        builders.execute(builders.start(version, made))
    status, made = caller.get("comparisons/", **asked, margin=0.2)
    assert (status, made["margin"], made["n_unmatched"]) == (200, 0.2, 0)
    assert [node["node"] for node in made["nodes"]] == ["", "echo", "echo.first", "echo.second"]
    assert caller.get("comparisons/", **asked, margin=2)[0] == 400
    assert caller.get("comparisons/", candidate="new")[0] == 400


def test_feedback_becomes_a_case_over_http() -> None:
    version = builders.published(3)
    feedback = alpha.feedback(alpha.access(), state="new")
    body = {
        "suite": "echo",
        "messages": [{"role": "user", "content": "word-x"}],
        "target": "word-x",
        "components": ["echo.first"],
        "publish": True,
    }
    path = f"feedback/{feedback.pk}/case/"
    assert Caller("engineer").post(path, **body)[0] == 403
    assert Caller("eval_owner").post(path, **{**body, "components": ["nowhere"]})[0] == 400
    status, made = Caller("eval_owner").post(path, **body)
    assert (status, made["version"], made["version_state"]) == (201, 2, "published")
    assert (made["feedback"], made["source"]) == (str(feedback.pk), "feedback")
    assert Caller("eval_owner").post(path, **body)[0] in (400, 409)
    assert version.cases.count() == 3


def test_drafts_are_published_discarded_and_suites_renewed() -> None:
    builders.published(3)
    caller = Caller("eval_owner")
    assert caller.post("suites/echo/publish/")[1]["code"] == "no_draft"
    assert caller.post("suites/", **document(4), publish=False)[0] == 201
    assert caller.post("suites/", **document(5))[1]["code"] == "draft_open"
    assert caller.post("suites/echo/publish/")[1]["number"] == 2
    assert caller.post("suites/", **document(5), publish=False)[0] == 201
    assert caller.post("suites/echo/discard/", reason="not needed")[1]["version"] == 2
    past = {"review_by": "2001-01-01", "reason": "looked"}
    assert caller.post("suites/echo/renew/", **past)[1]["code"] == "review_by_past"
    later = {"review_by": "2999-01-01", "reason": "read 20 failures"}
    assert caller.post("suites/echo/renew/", **later)[1]["review_by"] == "2999-01-01"


def test_pause_and_resume_take_reasons_and_caps_are_shown(upstream: Upstream) -> None:
    builders.published(3)
    builders.served(upstream.base_url)
    caller = Caller("engineer")
    asked = {"suite": "echo", "checkpoint": "chat-nano-1", "caps": {"most_tokens": 500}}
    status, made = caller.post("runs/", **asked)
    assert (status, made["most_tokens"], made["most_seconds"]) == (201, 500, None)
    assert caller.post("runs/", **{**asked, "caps": {"most_tokens": 0}})[0] == 400
    where = f"runs/{made['id']}"
    assert caller.post(f"{where}/pause/")[0] == 400
    assert caller.post(f"{where}/pause/", reason="wait")[1]["state"] == "paused"
    assert caller.post(f"{where}/pause/", reason="again")[0] == 409
    assert Caller("auditor").post(f"{where}/resume/", reason="no")[0] == 403
    assert caller.post(f"{where}/resume/", reason="go")[1]["state"] == "queued"
    assert caller.post(f"{where}/resume/", reason="go")[1]["code"] == "not_paused"
