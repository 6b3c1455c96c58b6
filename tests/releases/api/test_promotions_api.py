from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from rest_framework.test import APIClient

from infra import clock
from infra.roles import Scope
from releases.digests import sha256_of
from releases.models import Checkpoint, Stage
from releases.selectors.promotions import promotion_with_id, reasons_of
from releases.selectors.releases import current_release
from releases.services.holds import place_hold
from tests import builders
from tests.builders import Cast
from tests.clients import signed_in, with_key
from tests.releases import story

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast() -> Cast:
    return builders.cast()


@pytest.fixture
def to() -> Stage:
    return story.stage(story.MANUAL)


@pytest.fixture
def candidate(cast: Cast) -> Checkpoint:
    return builders.checkpoint("chat-nano-2", checkpoint_digest=sha256_of("chat-nano-2"))


def ask(client: APIClient, **fields: Any) -> Any:
    body = {"checkpoint": "chat-nano-2", "stage": "chat/closed-alpha", "reason": "better"}
    return client.post("/api/promotions/", {**body, **fields}, format="json")


def act(client: APIClient, promotion: dict[str, Any], action: str, **body: Any) -> Any:
    return client.post(f"/api/promotions/{promotion['id']}/{action}/", body, format="json")


def test_the_walk_over_the_api(cast: Cast, candidate: Checkpoint, to: Stage) -> None:
    answer = ask(signed_in("release_manager"))
    assert answer.status_code == 201, answer.json()
    promotion = answer.json()
    assert [(r["gate_id"], r["outcome"]) for r in promotion["reasons"]] == [
        ("manual-1", "inconclusive"),
        ("approvals", "inconclusive"),
    ]
    answered = act(
        signed_in("engineer"), promotion, "answer", gate_id="manual-1", yes=True, comment="ok"
    )
    seen = answered.json()["evidence_hash"]
    own = act(signed_in("release_manager"), promotion, "approve", evidence_hash=seen)
    assert (own.status_code, own.json()["code"]) == (403, "own_request")
    done = act(signed_in("second_release_manager"), promotion, "approve", evidence_hash=seen)
    assert (done.status_code, done.json()["state"]) == (200, "promoted")
    assert [a["person"] for a in done.json()["approvals"]] == ["Second Release Manager"]
    (release,) = signed_in("auditor").get("/api/releases/?state=live").json()["results"]
    assert (release["checkpoint"], release["share"]) == ("chat-nano-2", 100)
    listed = signed_in("auditor").get("/api/promotions/?state=promoted").json()
    assert [row["id"] for row in listed["results"]] == [promotion["id"]]


def test_a_refusal_carries_every_reason(cast: Cast, candidate: Checkpoint, to: Stage) -> None:
    client = signed_in("engineer")
    client.post("/api/holds/", {"checkpoint": "chat-nano-2", "reason": "odd"}, format="json")
    client.post("/api/holds/", {"stage": "closed-alpha", "reason": "odd too"}, format="json")
    answer = ask(client)
    assert answer.status_code == 409
    assert [reason["code"] for reason in answer.json()["reasons"]] == ["held", "held"]


def test_a_key_requests_and_never_decides(cast: Cast, candidate: Checkpoint, to: Stage) -> None:
    client = with_key(cast.release_manager, Scope.PROMOTE)
    promotion = ask(client).json()
    assert promotion["requested_by"] == "ci"
    for action, body in (
        ("approve", {}),
        ("reject", {"comment": "no"}),
        ("answer", {"gate_id": "manual-1", "yes": True, "comment": "x"}),
        ("waive", {"gate_id": "manual-1", "reason": "A long enough reason, I think."}),
    ):
        answer = act(client, promotion, action, **body)
        assert (answer.status_code, answer.json()["code"]) == (403, "person_required"), action
    assert act(client, promotion, "evaluate").status_code == 200


def test_a_key_without_the_scope_requests_nothing(
    cast: Cast, candidate: Checkpoint, to: Stage
) -> None:
    assert ask(with_key(cast.release_manager, Scope.READ)).status_code == 403


def test_what_is_not_there_or_not_right(cast: Cast, candidate: Checkpoint, to: Stage) -> None:
    client = signed_in("engineer")
    assert ask(client, checkpoint="nobody").status_code == 404
    assert ask(client, stage="nowhere").status_code == 404
    assert ask(client, reason="").status_code == 400
    assert client.get(f"/api/promotions/{candidate.pk}/").status_code == 404
    assert client.get("/api/audit/?actor=%00").status_code == 400
    assert client.get("/api/promotions/?state=odd").status_code == 400
    assert APIClient().get("/api/promotions/").status_code == 401
    both = {"checkpoint": "chat-nano-2", "stage": "closed-alpha", "reason": "x"}
    assert client.post("/api/holds/", both, format="json").status_code == 400


def test_waivers_take_two_persons(cast: Cast, candidate: Checkpoint, to: Stage) -> None:
    promotion = ask(signed_in("engineer")).json()
    reason = "The engineer is away this week."
    manager = signed_in("release_manager")
    asked = act(manager, promotion, "waive", gate_id="manual-1", reason=reason)
    assert asked.status_code == 201
    path = f"/api/waivers/{asked.json()['id']}/confirm/"
    assert manager.post(path).status_code == 403
    confirmed = signed_in("second_release_manager").post(path)
    assert confirmed.json()["confirmed_by"] == "Second Release Manager"
    now = manager.get(f"/api/promotions/{promotion['id']}/").json()
    assert now["reasons"][0]["outcome"] == "waived"


def test_stages_halt_and_roll_back(cast: Cast, candidate: Checkpoint, to: Stage) -> None:
    one = builders.checkpoint("chat-nano-1", checkpoint_digest=sha256_of("chat-nano-1"))
    for made in (one, candidate):
        story.promoted(cast, made, to)
    manager = signed_in("release_manager")
    (stage,) = manager.get("/api/stages/").json()["results"]
    (release,) = stage["releases"]
    path = f"/api/releases/{release['id']}"
    halted = manager.post(f"{path}/halt/", {"reason": "odd"}, format="json")
    assert halted.json()["state"] == "halted"
    again = manager.post(f"{path}/halt/", {"reason": "odd"}, format="json")
    assert (again.status_code, again.json()["code"]) == (409, "invalid_move")
    back = manager.post(
        f"/api/stages/{stage['id']}/rollback/", {"size": "nano", "reason": "odd"}, format="json"
    )
    assert back.json()["checkpoint"] == "chat-nano-1"
    assert current_release(to, "nano").checkpoint == one
    (hold,) = manager.get("/api/holds/?in_force=true").json()["results"]
    assert (hold["owner"], hold["checkpoint"]) == (None, "chat-nano-2")
    lift = f"/api/holds/{hold['id']}/lift/"
    refused = signed_in("engineer").post(lift, {"reason": "fixed"}, format="json")
    assert refused.status_code == 403
    assert manager.post(lift, {"reason": "fixed"}, format="json").json()["lifted_at"]


def test_the_audit_lists_who_did_what(cast: Cast, candidate: Checkpoint, to: Stage) -> None:
    promotion = ask(signed_in("engineer")).json()
    act(signed_in("engineer"), promotion, "withdraw", reason="a better one comes")
    client = signed_in("auditor")
    by_object = client.get(f"/api/audit/?object={promotion['id']}").json()["results"]
    assert [entry["action"] for entry in by_object] == [
        "promotion.withdrawn",
        "promotion.evaluated",
        "promotion.requested",
    ]
    found = client.get("/api/audit/?action=promotion.withdrawn&actor=Engineer").json()
    assert [entry["reason"] for entry in found["results"]] == ["a better one comes"]
    assert client.get("/api/audit/?actor=Nobody").json()["results"] == []


def test_api_command_and_console_show_the_same_list(
    cast: Cast, candidate: Checkpoint, to: Stage
) -> None:
    promotion = ask(signed_in("release_manager")).json()
    place_hold(actor=cast.engineer, reason="odd", checkpoint=candidate)
    shown = [r.sentence for r in reasons_of(promotion_with_id(promotion["id"]))]
    api = signed_in("auditor").get(f"/api/promotions/{promotion['id']}/").json()
    out = StringIO()
    call_command("promotion", "show", promotion["id"], "--json", stdout=out)
    assert len(shown) == 3
    assert [r["sentence"] for r in api["reasons"]] == shown
    assert [r["sentence"] for r in json.loads(out.getvalue())["reasons"]] == shown


def test_a_decision_needs_a_recent_sign_in_over_the_api_too(
    cast: Cast, candidate: Checkpoint, to: Stage, settings: Any
) -> None:
    promotion = ask(signed_in("engineer")).json()
    waive = {"gate_id": "manual-1", "reason": "The engineer is away this week."}
    asked = act(signed_in("release_manager"), promotion, "waive", **waive).json()
    manager = signed_in("second_release_manager")
    with clock.moved_by(timedelta(seconds=settings.REAUTHENTICATE_WITHIN_S + 1)):
        answers = [
            act(manager, promotion, "approve"),
            act(manager, promotion, "reject", comment="no"),
            act(manager, promotion, "answer", gate_id="manual-1", yes=True, comment="ok"),
            act(manager, promotion, "waive", **waive),
            manager.post(f"/api/waivers/{asked['id']}/confirm/"),
        ]
        assert {(a.status_code, a.json()["code"]) for a in answers} == {(403, "stale_sign_in")}
        assert manager.get(f"/api/promotions/{promotion['id']}/").status_code == 200
    assert manager.post(f"/api/waivers/{asked['id']}/confirm/").status_code == 200
