"""A month of soak, freezes, a ramp, an expiry and a reminder, under a moved clock, in seconds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings
from django.utils.module_loading import import_string

from infra import clock
from releases.freezes import Schedule
from releases.models import FollowUp, Promotion, Release, ShareChange, Stage
from releases.selectors.blocks import follow_ups_owed
from releases.selectors.promotions import decision_of, promotion_with_id
from releases.services import freezes, promotions, ramps
from releases.services.follow_ups import complete_follow_up
from releases.states import PromotionState
from tests import builders
from tests.builders import Cast
from tests.releases import story

pytestmark = pytest.mark.django_db

SOAK = {"id": "soak-1", "kind": "soak", "all": [{"stage": "internal", "soak": "30d"}]}
# Weekends in Berlin, which changes to summer time on Sunday 2026-03-29 at 01:00 UTC.
WEEKEND = Schedule(
    starts="2026-02-28T18:00:00",
    lasts="35h",
    rule="FREQ=WEEKLY;BYDAY=SA",
    time_zone="Europe/Berlin",
)
# 30 days before Saturday 2026-03-28 20:00 UTC: the soak is over within a freeze.
SOAKS_FROM = datetime(2026, 2, 26, 20, tzinfo=UTC)
MONTH_ENDS = datetime(2026, 4, 8, tzinfo=UTC)
IN_SECONDS = 5.0


@pytest.fixture
def cast() -> Cast:
    return builders.cast()


def looks(first: datetime, last: datetime, every: timedelta) -> Iterator[datetime]:
    moment = first
    while moment <= last:
        yield moment
        moment += every


def look() -> None:
    promotions.advance_promotions()
    ramps.advance_ramps()


def at(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%m-%d %H:%M")


def answered(cast: Cast, promotion: Promotion) -> Promotion:
    return promotions.answer_gate(
        actor=cast.engineer, promotion=promotion, gate_id="manual-1", yes=True, comment="Good."
    )


def freeze_weekends(cast: Cast, to: Stage) -> None:
    freezes.place_freeze(
        actor=cast.release_manager,
        name="weekend",
        schedule=WEEKEND,
        stage=to,
        reason="Nobody is there.",
    )


def import_sources() -> None:
    """A worker has SciPy in its process long before the month begins."""
    for source in settings.EVIDENCE_SOURCES:
        import_string(source)


def test_a_month_of_soak_freezes_ramp_expiry_and_reminders(cast: Cast) -> None:
    import_sources()
    began = time.process_time()
    steps = [{"percent": 10, "for": "132h"}, {"percent": 50, "for": "1d"}]
    internal = story.stage(story.MANUAL, name="internal")
    public = story.stage(SOAK, story.MANUAL, name="public", ramp=steps)
    old, new = builders.checkpoint("chat-nano-1"), builders.checkpoint("chat-nano-2")
    with clock.frozen_at(SOAKS_FROM - timedelta(days=1)):
        freeze_weekends(cast, public)
        fixed = promotions.request_promotion(
            actor=cast.release_manager,
            checkpoint=old,
            stage=public,
            reason="Answers leak the system prompt.",
            hotfix=True,
        )
        answered(cast, fixed)
        story.approved(cast.second_release_manager, fixed)
    with clock.frozen_at(SOAKS_FROM):
        story.promoted(cast, new, internal)
        early = story.requested(cast.release_manager, new, public)
        answered(cast, early)
    seen: list[tuple[str, str]] = []
    wanted: Promotion | None = None
    for now in looks(SOAKS_FROM, MONTH_ENDS, timedelta(hours=12)):
        with clock.frozen_at(now):
            look()
            if now == datetime(2026, 3, 2, 20, tzinfo=UTC):
                (owed,) = follow_ups_owed().filter(due_at__lte=now)
                seen.append(("reminded of", owed.promotion.checkpoint.name))
                codes = [block.code for block in decision_of(promotion_with_id(early.pk)).blocks]
                assert codes == ["follow_up_missed"]
                note = "Watched for three days: nothing leaks any more."
                complete_follow_up(actor=cast.release_manager, follow_up=owed, note=note)
            if now == datetime(2026, 3, 27, 20, tzinfo=UTC):
                wanted = answered(cast, story.requested(cast.release_manager, new, public))
                assert wanted.state == PromotionState.EVALUATING
            if now == datetime(2026, 3, 28, 20, tzinfo=UTC) and wanted is not None:
                assert story.approved(cast.second_release_manager, wanted).state == "waiting"
    expired = promotion_with_id(early.pk)
    assert expired.state == PromotionState.EXPIRED
    assert expired.decided_at == SOAKS_FROM + timedelta(days=7)
    assert FollowUp.objects.get().done_at is not None and seen == [("reminded of", "chat-nano-1")]
    moves = ShareChange.objects.filter(release__checkpoint=new, release__stage=public)
    assert [(at(row.at), row.share) for row in moves.order_by("at")] == [
        # The weekend's freeze closes at 06:00 in summer time, 04:00 UTC; looks are 12 h apart.
        ("03-30 08:00", 10),
        # 132 h later the next weekend has begun (04-04 16:00 UTC): it closes 04-06 03:00.
        ("04-06 08:00", 50),
        ("04-07 08:00", 100),
    ]
    assert Release.objects.get(stage=public, ended_at__isnull=True).checkpoint == new
    # Of this process alone: other tests share the machine.
    assert time.process_time() - began < IN_SECONDS


CHANGES = [
    (
        "spring",
        Schedule(starts="2026-03-28T18:00:00", lasts="1d", time_zone="Europe/Berlin"),
        datetime(2026, 3, 29, 16, tzinfo=UTC),
    ),
    (
        "autumn",
        Schedule(starts="2026-10-24T18:00:00", lasts="1d", time_zone="Europe/Berlin"),
        datetime(2026, 10, 25, 17, tzinfo=UTC),
    ),
    (
        "leap day",
        Schedule(starts="2024-02-29T00:00:00", lasts="1d", rule="FREQ=YEARLY", time_zone="UTC"),
        datetime(2028, 3, 1, tzinfo=UTC),
    ),
]


@pytest.mark.parametrize(("name", "schedule", "closes"), CHANGES, ids=[row[0] for row in CHANGES])
def test_what_waits_for_a_freeze_moves_in_the_second_it_closes(
    cast: Cast, name: str, schedule: Schedule, closes: datetime
) -> None:
    to, second = story.stage(story.MANUAL), timedelta(seconds=1)
    with clock.frozen_at(closes - timedelta(hours=12)):
        freezes.place_freeze(
            actor=cast.release_manager, name="away", schedule=schedule, reason="Away."
        )
        waiting = story.promoted(cast, builders.checkpoint("chat-nano-2"), to)
        assert waiting.state == PromotionState.WAITING
    for moment, n_live in ((closes - second, 0), (closes, 1)):
        with clock.frozen_at(moment):
            promotions.advance_promotions()
        assert Release.objects.count() == n_live
