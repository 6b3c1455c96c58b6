"""Numbers of what waits, what serves and what stands in the way."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from django.db.models import Count, Min, Q

from infra.exposition import Gauge, by, counted, one, seconds_since
from releases.models import Guardrail, Hold, Promotion, Ramp, Release
from releases.selectors.blocks import line_stop_in_force
from releases.selectors.promotions import OPEN
from releases.states import PromotionState, RampState, ReleaseState, Watch


def gauges(now: datetime) -> Iterator[Gauge]:
    """In a constant number of queries."""
    yield from _promotions(now)
    yield from _serving(now)
    holds = Hold.objects.filter(lifted_at__isnull=True).aggregate(
        person=Count("pk", filter=Q(owner__isnull=False)),
        slipway=Count("pk", filter=Q(owner__isnull=True)),
    )
    yield by("holds", "Holds in force, by who placed them.", "placed_by", holds, ())
    is_stopped = float(line_stop_in_force() is not None)
    yield one("line_is_stopped", "1 while nothing moves forward anywhere.", is_stopped)


def _promotions(now: datetime) -> Iterator[Gauge]:
    rows = Promotion.objects.filter(state__in=OPEN)
    yield by("promotions", "Open promotions.", "state", counted(rows, "state"), OPEN)
    waiting = Promotion.objects.filter(state=PromotionState.WAITING.value)
    oldest = waiting.aggregate(at=Min("requested_at"))["at"]
    told = "Since the oldest promotion that waits for people was requested."
    yield one("promotion_oldest_waiting_seconds", told, seconds_since(oldest, now))


def _serving(now: datetime) -> Iterator[Gauge]:
    current = counted(Release.objects.filter(ended_at__isnull=True), "state")
    serving = (ReleaseState.LIVE.value, ReleaseState.HALTED.value)
    yield by("releases", "Current releases.", "state", current, serving)
    ramps = counted(Ramp.objects.exclude(state=RampState.ENDED.value), "state")
    going = [state.value for state in RampState if state is not RampState.ENDED]
    yield by("ramps", "Ramps that have not ended.", "state", ramps, going)
    rails = Guardrail.objects.filter(
        release__state=ReleaseState.LIVE.value,
        release__arm="candidate",
        release__ramp__state__in=(RampState.RAMPING.value, RampState.HELD_BACK.value),
    )
    watches = [watch.value for watch in Watch]
    seen = counted(rails, "watch")
    yield by("guardrails", "Guardrails of live candidates.", "watch", seen, watches)
    oldest = rails.aggregate(at=Min("looked_at"))["at"]
    told = "Since the guardrail that was looked at longest ago was."
    yield one("guardrail_oldest_look_seconds", told, seconds_since(oldest, now))
