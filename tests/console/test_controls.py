"""Stopping things from the console: what the pages offer, ask again, and refuse."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from infra import clock
from releases.models import (
    FollowUp,
    Freeze,
    FreezeWaiver,
    LineStop,
    Promotion,
    Rejection,
    Release,
    Stage,
)
from tests import builders
from tests.builders import Cast
from tests.console.visits import signed_in
from tests.releases import story

pytestmark = pytest.mark.django_db
LINE = "/console/line/"
LONG = "Both of us are here to look at it."


@pytest.fixture
def cast() -> Cast:
    return builders.cast()


@pytest.fixture
def to(cast: Cast) -> Stage:
    return story.stage(story.MANUAL)


def text(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_line_is_stopped_by_one_click_and_every_page_says_so(cast: Cast, to: Stage) -> None:
    one, two = signed_in("release_manager"), signed_in("second_release_manager")
    assert reverse("console-line") == LINE
    assert "line is stopped" not in text(one, reverse("console-board"))
    with clock.moved_by(timedelta(hours=13)):
        # No password is asked for: what stops must not wait.
        assert one.post(LINE, {"do": "stop", "reason": "odd answers"}).status_code == 302
    pages = (
        reverse("console-board"),
        reverse("admin:index"),
        reverse("console-stage", args=[to.pk]),
    )
    for path in (*pages, reverse("admin:releases_release_changelist")):
        shown = text(signed_in("auditor"), path)
        assert "The line is stopped by Release Manager: “odd answers”." in shown, path
    assert "Start the line" not in text(signed_in("engineer"), LINE)
    one.post(LINE, {"do": "start", "reason": "understood"})
    assert "A second person has to confirm it." in text(one, LINE)
    assert one.post(LINE, {"do": "confirm"}).status_code == 403
    with clock.moved_by(timedelta(hours=13)):
        stale = two.post(LINE, {"do": "confirm"})
    assert (stale.status_code, LineStop.objects.get().lifted_at) == (403, None)
    assert two.post(LINE, {"do": "confirm"}).status_code == 302
    assert LineStop.objects.get().lifted_by_id == cast.second_release_manager.person_id
    assert "line is stopped" not in text(one, reverse("console-board"))


def test_who_may_not_stop_the_line_is_offered_nothing_and_refused(cast: Cast) -> None:
    client = signed_in("engineer")
    assert "Stop the line now" not in text(client, LINE)
    assert client.post(LINE, {"do": "stop", "reason": "odd"}).status_code == 403
    assert not LineStop.objects.exists()


def test_a_stage_is_frozen_and_a_promotion_let_through(cast: Cast, to: Stage) -> None:
    client, page = signed_in("release_manager"), reverse("console-stage", args=[to.pk])
    body = {
        "do": "freeze",
        "name": "year-end",
        "starts": (clock.now() - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S"),
        "lasts": "48h",
        "time_zone": "UTC",
        "rule": "",
        "reason": "Nobody is there.",
    }
    refused = client.post(page, {**body, "time_zone": "Mars/Olympus"})
    assert refused.status_code == 400 and "Mars/Olympus" in refused.content.decode()
    assert client.post(page, body).status_code == 302
    assert "in force" in text(client, page) and "year-end" in text(client, LINE)
    asked = story.requested(cast.engineer, builders.checkpoint("chat-nano-2"), to)
    promotion = reverse("console-promotion", args=[asked.pk])
    assert "is frozen until" in text(signed_in("auditor"), promotion)
    assert "Let this promotion through" not in text(signed_in("auditor"), promotion)
    through = {"do": "waive_freeze", "id": str(Freeze.objects.get().pk), "reason": LONG}
    assert signed_in("second_release_manager").post(promotion, through).status_code == 403
    assert client.post(promotion, through).status_code == 302
    assert FreezeWaiver.objects.get().promotion == asked
    assert "is frozen until" not in text(client, promotion)
    end = {"do": "end_freeze", "id": str(Freeze.objects.get().pk), "reason": "over"}
    assert client.post(page, end).status_code == 302
    assert Freeze.objects.get().ended_at is not None


def test_a_checkpoint_is_rejected_and_taken_back_on_its_page(cast: Cast, to: Stage) -> None:
    made = builders.checkpoint("chat-nano-2")
    story.promoted(cast, made, to)
    page = reverse("console-checkpoint", args=[made.pk])
    one, two = signed_in("release_manager"), signed_in("second_release_manager")
    assert "Reject it now" not in text(signed_in("engineer"), page)
    assert one.post(page, {"do": "reject", "reason": "odd answers"}).status_code == 302
    assert not Release.objects.filter(ended_at__isnull=True).exists()
    assert "odd answers" in text(signed_in("auditor"), page)
    assert one.post(page, {"do": "unreject", "reason": "a mistake"}).status_code == 302
    assert one.post(page, {"do": "confirm_unreject"}).status_code == 403
    assert two.post(page, {"do": "confirm_unreject"}).status_code == 302
    assert Rejection.objects.get().lifted_at is not None


def test_sizes_are_requested_together_as_a_hotfix_from_a_checkpoints_page(
    cast: Cast, to: Stage
) -> None:
    nano = builders.checkpoint("chat-nano-2")
    mini = builders.checkpoint("chat-mini-2", size="mini")
    twin = builders.checkpoint("chat-nano-3")
    client, page = signed_in("release_manager"), reverse("console-checkpoint", args=[nano.pk])
    shown = text(client, page)
    assert f'<option value="{mini.pk}">' in shown and f'<option value="{twin.pk}">' not in shown
    body = {"do": "promote", "stage": str(to.pk), "reason": LONG, "hotfix": "on"}
    answer = client.post(page, {**body, "together_with": [str(mini.pk)]})
    assert answer.status_code == 302
    members = Promotion.objects.filter(hotfix=True, together__isnull=False)
    assert members.count() == 2
    shown = text(client, answer["Location"])
    assert "Together with" in shown and "chat-mini-2" in shown and "hotfix" in shown


def test_a_follow_up_is_shown_until_it_is_done(cast: Cast, to: Stage) -> None:
    done = story.promoted(cast, builders.checkpoint("chat-nano-2"), to)
    Promotion.objects.filter(pk=done.pk).update(hotfix=True)
    owed = FollowUp.objects.create(promotion=done, due_at=clock.now() - timedelta(hours=1))
    client = signed_in("release_manager")
    assert "Follow-up of chat-nano-2" in text(client, reverse("admin:index"))
    page = reverse("console-promotion", args=[done.pk])
    assert "nothing is promoted into" in text(client, page)
    assert (
        client.post(page, {"do": "follow_up", "id": str(owed.pk), "note": "ok"}).status_code == 400
    )
    assert (
        client.post(page, {"do": "follow_up", "id": str(owed.pk), "note": LONG}).status_code == 302
    )
    assert "Follow-up of" not in text(client, reverse("admin:index"))
    assert LONG in text(client, page)


def test_a_checkpoints_page_says_whether_its_upstream_is_still_the_same(cast: Cast) -> None:
    made = builders.checkpoint("chat-nano-2")
    said = "It answers otherwise than when it was added."
    place = builders.deployment(
        made, identity="changed", identity_sentence=said, identity_asked_at=clock.now()
    )
    found = text(signed_in("auditor"), reverse("console-checkpoint", args=[made.pk]))
    assert place.base_url in found and "changed" in found and said in found
