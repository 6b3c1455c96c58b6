"""A freeze stops what moves forward, and nothing that leads back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from infra import clock
from infra.errors import InvalidInput, InvalidMove, NotPermitted, PromotionBlocked
from infra.models import AuditEntry, Person
from releases.freezes import Schedule
from releases.models import Freeze, Promotion, Release, Stage
from releases.selectors.promotions import decision_of, promotion_with_id
from releases.services import freezes, promotions
from releases.services.releases import demote_release, halt_release, resume_release, roll_back
from releases.states import PromotionState, ReleaseState
from tests import builders
from tests.builders import Cast
from tests.releases import rollout, story

pytestmark = pytest.mark.django_db

# Saturday 2026-03-28 18:00 in Berlin until Monday 2026-03-30 06:00, over the lost hour.
WEEKEND = Schedule(
    starts="2026-03-28T18:00:00",
    lasts="35h",
    rule="FREQ=WEEKLY;BYDAY=SA",
    time_zone="Europe/Berlin",
)
FRIDAY = datetime(2026, 3, 27, 12, tzinfo=UTC)
SUNDAY = datetime(2026, 3, 29, 12, tzinfo=UTC)
REASON = "Nobody is there to look at it."


@pytest.fixture
def cast() -> Cast:
    return builders.cast()


def place(cast: Cast, **of: Any) -> Freeze:
    values = {"name": "weekend", "schedule": WEEKEND, "reason": REASON}
    return freezes.place_freeze(actor=cast.release_manager, **{**values, **of})


def approved_in(cast: Cast, to: Stage, name: str = "chat-nano-2") -> Promotion:
    return story.promoted(cast, builders.checkpoint(name), to)


def test_a_freeze_blocks_promote_until_its_window_closes(cast: Cast) -> None:
    to = story.stage(story.MANUAL)
    place(cast, stage=to)
    with clock.frozen_at(SUNDAY):
        waiting = approved_in(cast, to)
        assert waiting.state == PromotionState.WAITING
        (block,) = decision_of(waiting).blocks
        assert (block.code, block.owner) == ("frozen", "Release Manager")
        assert block.clears_at == datetime(2026, 3, 30, 4, tzinfo=UTC)
        assert "until 2026-03-30 06:00 (Europe/Berlin)" in block.sentence
        with pytest.raises(PromotionBlocked):
            promotions.execute_promotion(actor=cast.release_manager, promotion=waiting)
    with clock.frozen_at(datetime(2026, 3, 30, 3, 59, 59, tzinfo=UTC)):
        assert promotions.advance_promotions() == 0
    with clock.frozen_at(datetime(2026, 3, 30, 4, tzinfo=UTC)):
        assert promotions.advance_promotions() == 1
    assert Release.objects.get().promotion == waiting


def test_of_two_that_waited_for_a_freeze_nobody_is_shown_the_older(cast: Cast) -> None:
    to = story.stage(story.MANUAL)
    place(cast, stage=to)
    with clock.frozen_at(SUNDAY):
        older = story.promoted(cast, rollout.named("older"), to)
    with clock.frozen_at(SUNDAY + timedelta(minutes=1)):
        newer = story.promoted(cast, rollout.named("newer"), to)
    with clock.frozen_at(datetime(2026, 3, 30, 4, tzinfo=UTC)):
        promotions.advance_promotions()
    assert Release.objects.get().promotion == newer
    assert promotion_with_id(older.pk).superseded_by == newer


def test_a_freeze_blocks_nothing_that_leads_back(cast: Cast) -> None:
    to, manager = story.stage(story.MANUAL), cast.release_manager
    with clock.frozen_at(FRIDAY):
        approved_in(cast, to, "chat-nano-2")
        approved_in(cast, to, "chat-nano-3")
    place(cast)
    with clock.frozen_at(SUNDAY):
        live = Release.objects.get(ended_at__isnull=True)
        halted = halt_release(actor=manager, release=live, reason="odd")
        assert halted.state == ReleaseState.HALTED
        resume_release(actor=manager, release=halted, reason="fine after all")
        back = roll_back(actor=manager, stage=to, size="nano", reason="odd after all")
        assert back.checkpoint.name == "chat-nano-2"
        assert demote_release(actor=manager, release=back, reason="odd too").ended_at


@pytest.mark.parametrize(("scope", "blocks"), [("stage", False), ("pipeline", True), ("all", True)])
def test_a_freeze_is_of_a_stage_of_a_pipeline_or_of_all(
    cast: Cast, scope: str, blocks: bool
) -> None:
    to, other = story.stage(story.MANUAL), story.stage(story.MANUAL, name="production")
    of: dict[str, dict[str, Any]] = {
        "stage": {"stage": other},
        "pipeline": {"pipeline": to.pipeline},
        "all": {},
    }
    place(cast, **of[scope])
    with clock.frozen_at(SUNDAY):
        waiting = story.requested(cast.engineer, builders.checkpoint("chat-nano-2"), to)
        assert bool(decision_of(waiting).blocks) is blocks


def test_its_owner_lets_one_promotion_through_and_nobody_else_does(cast: Cast) -> None:
    to = story.stage(story.MANUAL)
    freeze = place(cast, stage=to)
    why = "The fix has been tried on Friday, and both of us are here."
    with clock.frozen_at(SUNDAY):
        first = approved_in(cast, to, "chat-nano-2")
        second = approved_in(cast, to, "chat-nano-3")
        with pytest.raises(NotPermitted) as refusal:
            freezes.waive_freeze(
                actor=cast.second_release_manager, freeze=freeze, promotion=first, reason=why
            )
        assert refusal.value.code == "not_your_freeze"
        with pytest.raises(InvalidInput):
            freezes.waive_freeze(
                actor=cast.release_manager, freeze=freeze, promotion=first, reason="hurry"
            )
        freezes.waive_freeze(actor=cast.release_manager, freeze=freeze, promotion=first, reason=why)
        assert promotions.advance_promotions() == 1
    assert Release.objects.get().promotion == first
    assert promotion_with_id(second.pk).state == PromotionState.WAITING
    told = AuditEntry.objects.get(action="promotion.freeze_waived")
    assert (told.object_id, told.reason) == (str(first.pk), why)


def test_a_freeze_is_ended_by_its_owner_or_once_that_left_by_a_release_manager(cast: Cast) -> None:
    freeze = place(cast)
    with pytest.raises(NotPermitted):
        freezes.end_freeze(actor=cast.second_release_manager, freeze=freeze, reason="over")
    Person.objects.filter(pk=cast.release_manager.person_id).update(left_at=builders.NOW)
    freezes.end_freeze(actor=cast.second_release_manager, freeze=freeze, reason="over")
    with pytest.raises(InvalidMove) as refusal:
        freezes.end_freeze(actor=cast.second_release_manager, freeze=freeze, reason="over")
    assert refusal.value.code == "freeze_ended"
    told = AuditEntry.objects.filter(object_type="freeze").order_by("seq")
    assert [entry.action for entry in told] == ["freeze.placed", "freeze.ended"]


def test_a_freeze_of_a_file_ends_with_the_file_alone(cast: Cast) -> None:
    freeze = place(cast)
    Freeze.objects.filter(pk=freeze.pk).update(from_file=True)
    with pytest.raises(InvalidMove) as refusal:
        freezes.end_freeze(actor=cast.release_manager, freeze=freeze, reason="over")
    assert refusal.value.code == "freeze_of_file"


def test_only_release_managers_place_freezes_that_can_open(cast: Cast) -> None:
    with pytest.raises(NotPermitted):
        freezes.place_freeze(actor=cast.engineer, name="weekend", schedule=WEEKEND, reason=REASON)
    with pytest.raises(InvalidInput) as refusal:
        place(cast, name="My weekend", schedule=replace(WEEKEND, time_zone="Mars", lasts="0h"))
    fields = [reason.observed["field"] for reason in refusal.value.reasons]
    assert fields == ["name", "time_zone", "lasts"]
    over = replace(WEEKEND, rule="FREQ=WEEKLY;BYDAY=SA;COUNT=1")
    with clock.frozen_at(SUNDAY + timedelta(days=30)), pytest.raises(InvalidInput) as refusal:
        place(cast, schedule=over)
    assert "it is over" in refusal.value.message
    place(cast)
    with pytest.raises(InvalidMove) as again:
        place(cast)
    assert again.value.code == "freeze_there"


def test_a_freeze_that_cannot_be_read_stays_closed(cast: Cast) -> None:
    to = story.stage(story.MANUAL)
    freeze = place(cast, stage=to)
    Freeze.objects.filter(pk=freeze.pk).update(time_zone="Europe/Atlantis")
    waiting = story.requested(cast.engineer, builders.checkpoint("chat-nano-2"), to)
    (block,) = decision_of(waiting).blocks
    assert (block.code, block.clears_at) == ("frozen", None)
    assert "Europe/Atlantis" in block.sentence
