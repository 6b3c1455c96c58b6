"""What stops things, over the management API: who may, what is answered, every refusal."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from rest_framework.test import APIClient

from infra import clock
from infra.roles import Scope
from releases.digests import sha256_of
from releases.models import FollowUp, Release
from releases.services import promotions
from releases.states import Vote
from tests import builders
from tests.builders import Cast
from tests.clients import signed_in, with_key
from tests.releases import story

pytestmark = pytest.mark.django_db

SUNDAY = datetime(2026, 3, 29, 12, tzinfo=UTC)
WEEKEND = {
    "name": "weekend",
    "starts": "2026-03-28T18:00:00",
    "lasts": "35h",
    "rule": "FREQ=WEEKLY;BYDAY=SA",
    "time_zone": "Europe/Berlin",
    "reason": "Nobody is there.",
}
LONG = "Both of us are here to look at it."


@pytest.fixture
def cast() -> Cast:
    return builders.cast()


def post(client: APIClient, path: str, **body: Any) -> Any:
    return client.post(f"/api/{path}", body, format="json")


def test_the_line_is_stopped_by_one_and_started_by_two(cast: Cast) -> None:
    one, two = signed_in("release_manager"), signed_in("second_release_manager")
    assert signed_in("auditor").get("/api/line/").json() == {"is_stopped": False, "stop": None}
    stopped = post(one, "line/stop/", reason="odd answers")
    assert (stopped.status_code, stopped.json()["stopped_by"]) == (201, "Release Manager")
    assert signed_in("auditor").get("/api/line/").json()["is_stopped"] is True
    assert post(two, "line/stop/", reason="odd").json()["code"] == "line_stopped"
    assert post(two, "line/start/confirm/").json()["code"] == "nobody_asked"
    assert post(one, "line/start/", reason="understood").status_code == 200
    own = post(one, "line/start/confirm/")
    assert (own.status_code, own.json()["code"]) == (403, "second_person_required")
    assert post(two, "line/start/confirm/").json()["lifted_by"] == "Second Release Manager"
    assert signed_in("auditor").get("/api/line/").json()["is_stopped"] is False


def test_a_key_stops_nothing_and_rejects_nothing(cast: Cast) -> None:
    builders.checkpoint("chat-nano-2")
    key = with_key(cast.release_manager, Scope.PROMOTE, Scope.REGISTER)
    for path in ("line/stop/", "checkpoints/chat-nano-2/reject/"):
        refusal = post(key, path, reason="odd answers")
        assert (refusal.status_code, refusal.json()["code"]) == (403, "person_required")
    frozen = post(key, "freezes/", **WEEKEND)
    assert (frozen.status_code, frozen.json()["code"]) == (403, "person_required")


def test_a_freeze_is_placed_listed_waived_and_ended(cast: Cast) -> None:
    to, owner = story.stage(story.MANUAL), signed_in("release_manager")
    made = builders.checkpoint("chat-nano-2")
    with clock.frozen_at(SUNDAY):
        placed = post(owner, "freezes/", **WEEKEND, stage="chat/closed-alpha")
        assert placed.status_code == 201, placed.json()
        freeze = placed.json()
        assert freeze["in_force"] is True
        assert freeze["window"]["closes_at"] == "2026-03-30T04:00:00Z"
        assert freeze["next_window"]["opens_at"] == "2026-04-04T16:00:00Z"
        promotion = story.requested(cast.engineer, made, to)
        shown = signed_in("auditor").get(f"/api/promotions/{promotion.pk}/").json()
        assert "frozen" in [reason["code"] for reason in shown["reasons"]]
        path = f"promotions/{promotion.pk}/freeze-waivers/"
        other = post(signed_in("second_release_manager"), path, freeze=freeze["id"], reason=LONG)
        assert (other.status_code, other.json()["code"]) == (403, "not_your_freeze")
        assert post(owner, path, freeze=freeze["id"], reason=LONG).status_code == 201
        assert post(owner, path, freeze=freeze["id"], reason=LONG).status_code == 409
        shown = signed_in("auditor").get(f"/api/promotions/{promotion.pk}/").json()
        assert "frozen" not in [reason["code"] for reason in shown["reasons"]]
    assert post(owner, f"freezes/{freeze['id']}/end/", reason="over").status_code == 200
    assert signed_in("auditor").get("/api/freezes/").json()["results"] == []
    ended = signed_in("auditor").get("/api/freezes/?ended=true").json()["results"]
    assert [(row["name"], row["in_force"]) for row in ended] == [("weekend", False)]


def test_a_bad_freeze_is_refused_with_everything_that_is_wrong(cast: Cast) -> None:
    bad = {**WEEKEND, "time_zone": "Mars/Olympus", "rule": "FREQ=MINUTELY"}
    refusal = post(signed_in("release_manager"), "freezes/", **bad)
    assert refusal.status_code == 400
    fields = [reason["observed"]["field"] for reason in refusal.json()["reasons"]]
    assert sorted(fields) == ["rule", "time_zone"]


def test_a_checkpoint_is_rejected_and_taken_back_by_two(cast: Cast) -> None:
    to, made = story.stage(story.MANUAL), builders.checkpoint("chat-nano-2")
    story.promoted(cast, made, to)
    one, two = signed_in("release_manager"), signed_in("second_release_manager")
    engineer = post(signed_in("engineer"), "checkpoints/chat-nano-2/reject/", reason="odd")
    assert engineer.status_code == 403
    rejected = post(one, "checkpoints/chat-nano-2/reject/", reason="odd")
    assert (rejected.status_code, rejected.json()["checkpoint"]) == (201, "chat-nano-2")
    assert not Release.objects.filter(ended_at__isnull=True).exists()
    refused = post(
        one, "promotions/", checkpoint="chat-nano-2", stage="closed-alpha", reason="again"
    )
    assert refused.json()["reasons"][0]["code"] == "rejected_checkpoint"
    listed = signed_in("auditor").get("/api/rejections/?in_force=true").json()["results"]
    assert [row["rejected_by"] for row in listed] == ["Release Manager"]
    assert post(one, "checkpoints/chat-nano-2/unreject/", reason="a mistake").status_code == 200
    assert post(one, "checkpoints/chat-nano-2/unreject/confirm/").status_code == 403
    assert post(two, "checkpoints/chat-nano-2/unreject/confirm/").status_code == 200
    assert post(two, "checkpoints/chat-nano-2/unreject/confirm/").status_code == 409
    assert signed_in("auditor").get("/api/rejections/?in_force=true").json()["results"] == []


def test_a_set_is_requested_and_shown_with_its_members(cast: Cast) -> None:
    story.stage(story.MANUAL)
    for size in ("nano", "mini"):
        builders.checkpoint(f"chat-{size}-2", size=size, checkpoint_digest=sha256_of(size))
    asked = post(
        signed_in("engineer"),
        "promotion-sets/",
        checkpoints=["chat-nano-2", "chat-mini-2"],
        stage="closed-alpha",
        reason="better at tables",
    )
    assert asked.status_code == 201, asked.json()
    body = asked.json()
    assert [row["size"] for row in body["promotions"]] == ["mini", "nano"]
    assert {row["set"] for row in body["promotions"]} == {body["id"]}
    again = signed_in("auditor").get(f"/api/promotion-sets/{body['id']}/").json()
    assert [row["id"] for row in again["promotions"]] == [row["id"] for row in body["promotions"]]


def test_a_hotfix_is_asked_for_and_its_follow_up_completed(cast: Cast) -> None:
    to = story.stage(story.MANUAL)
    builders.checkpoint("chat-nano-2")
    body = {"checkpoint": "chat-nano-2", "stage": "closed-alpha", "hotfix": True}
    short = post(signed_in("release_manager"), "promotions/", **body, reason="urgent")
    assert (short.status_code, short.json()["code"]) == (400, "text_too_short")
    asked = post(signed_in("release_manager"), "promotions/", **body, reason=LONG)
    assert (asked.status_code, asked.json()["hotfix"]) == (201, True)
    promotion = to.promotions.get()
    promotions.answer_gate(
        actor=cast.engineer, promotion=promotion, gate_id="manual-1", yes=True, comment="Good."
    )
    promotions.vote(actor=cast.second_release_manager, promotion=promotion, choice=Vote.APPROVE)
    (owed,) = signed_in("auditor").get("/api/follow-ups/?owed=true").json()["results"]
    assert (owed["promotion"], owed["is_missed"]) == (str(promotion.pk), False)
    path = f"follow-ups/{owed['id']}/complete/"
    assert post(signed_in("engineer"), path, note=LONG).status_code == 403
    done = post(signed_in("release_manager"), path, note=LONG)
    assert (done.status_code, done.json()["done_by"]) == (200, "Release Manager")
    assert FollowUp.objects.get().note == LONG
