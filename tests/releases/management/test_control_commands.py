"""What stops things, from the command line; each needs a person's name and a reason."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from infra import clock
from releases.digests import sha256_of
from releases.models import FollowUp, Promotion, Rejection
from releases.selectors.promotions import decision_of
from tests import builders
from tests.builders import Cast
from tests.releases import story
from tests.releases.management.test_releasing_commands import printed, refused, said

ONE, TWO = "release_manager", "second_release_manager"
LONG = "Both of us are here to look at it."
SUNDAY = datetime(2026, 3, 29, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def cast(db: None) -> Cast:
    return builders.cast()


def test_the_line_from_stop_to_start() -> None:
    assert said("stop-the-line", "status") == "The line runs.\n"
    printed("stop-the-line", "stop", "--reason", "odd answers", by=ONE)
    assert printed("stop-the-line", "status")["stop"]["reason"] == "odd answers"
    assert refused("stop-the-line", "confirm", by=TWO)["code"] == "nobody_asked"
    printed("stop-the-line", "start", "--reason", "understood", by=ONE)
    assert refused("stop-the-line", "confirm", by=ONE)["code"] == "second_person_required"
    assert printed("stop-the-line", "confirm", by=TWO)["lifted_by"] == "Second Release Manager"
    assert printed("stop-the-line", "status") == {"is_stopped": False, "stop": None}


def test_a_checkpoint_from_rejected_to_taken_back() -> None:
    builders.checkpoint("chat-nano-2")
    printed("reject", "chat-nano-2", "--reason", "odd answers", by=ONE)
    assert refused("unreject", "chat-nano-2", "--confirm", by=TWO)["code"] == "nobody_asked"
    printed("unreject", "chat-nano-2", "--reason", "a mistake", by=ONE)
    printed("unreject", "chat-nano-2", "--confirm", by=TWO)
    assert Rejection.objects.get().lifted_at is not None


def test_a_freeze_from_placed_to_ended() -> None:
    to = story.stage(story.MANUAL)
    place = ["freeze", "place", "weekend", "--stage", "closed-alpha", "--lasts", "35h"]
    place += ["--starts", "2026-03-28T18:00:00", "--time-zone", "Europe/Berlin"]
    place += ["--rule", "FREQ=WEEKLY;BYDAY=SA", "--reason", "Nobody is there."]
    with clock.frozen_at(SUNDAY):
        assert printed(*place, by=ONE)["in_force"] is True
        assert "in force until 2026-03-30 04:00 UTC" in said("freeze", "list")
        asked = story.requested(builders.cast().engineer, builders.checkpoint("chat-nano-2"), to)
        assert [block.code for block in decision_of(asked).blocks] == ["frozen"]
        waive = ["freeze", "waive", "weekend", str(asked.pk), "--reason", LONG]
        assert refused(*waive, by=TWO)["code"] == "not_your_freeze"
        printed(*waive, by=ONE)
        assert decision_of(asked).blocks == ()
    printed("freeze", "end", "weekend", "--reason", "over", by=ONE)
    assert said("freeze", "list") == "No freeze is in place.\n"


def test_sizes_are_requested_together_and_as_a_hotfix() -> None:
    story.stage(story.MANUAL)
    for size in ("nano", "mini"):
        builders.checkpoint(f"chat-{size}-2", size=size, checkpoint_digest=sha256_of(size))
    asked = printed(
        *("promotion", "request", "chat-nano-2", "closed-alpha", "--with", "chat-mini-2"),
        *("--hotfix", "--reason", LONG),
        by=ONE,
    )
    members = Promotion.objects.filter(together=asked["set"], hotfix=True)
    assert {str(row.pk) for row in members} == {row["id"] for row in asked["promotions"]}


def test_a_follow_up_from_due_to_done(cast: Cast) -> None:
    to = story.stage(story.MANUAL)
    done = story.promoted(cast, builders.checkpoint("chat-nano-2"), to)
    owed = FollowUp.objects.create(promotion=done, due_at=builders.NOW)
    assert said("follow-up", "list").startswith("missed 2026-03-02 09:00 UTC")
    printed("follow-up", "complete", str(owed.pk), "--note", LONG, by=ONE)
    assert said("follow-up", "list") == "No hotfix owes a follow-up.\n"
