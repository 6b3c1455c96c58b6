"""What live traffic of earlier stages predicts for the next one, and what it shows there.

Both are counted per unit over closed batches, so that a prediction and its observation are the same
number of two stages: units with a failed call, units with a thumbs-down.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Max, Min, Q, Sum

from alpha.models import TrafficArm
from alpha.states import Counted
from releases.models import Forecast, Promotion, Release
from releases.services.forecast_sources import Predicted, Seen
from releases.states import ForecastKind

EVENTS = {
    ForecastKind.ERROR_RATE: ("n_errors", "units with a failed call"),
    ForecastKind.FEEDBACK_RATE: ("n_downs", "units with a thumbs-down"),
}
LEAST_TO_PREDICT = 50
"""Units; fewer say next to nothing."""
ENOUGH = 300
"""Units after which a stage is observed at once."""
ENOUGH_IN_TIME = 50
"""Units that suffice once the stage has gone on for PATIENCE, or has ended."""
PATIENCE = timedelta(days=14)
# Thumbs-down come late: a batch is looked at when it had this long to receive them.
SETTLES = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counts:
    """Units of one checkpoint, by partner."""

    sizes: Mapping[UUID, int]
    events: Mapping[str, Mapping[UUID, int]]
    since: datetime | None = None
    until: datetime | None = None

    @property
    def n(self) -> int:
        return sum(self.sizes.values())

    def rate(self, column: str) -> Any:
        """The rate with its interval, clustered by partner."""
        from releases.statistics.failure_rates import grouped_failure_rate  # SciPy

        partners = [partner for partner, size in self.sizes.items() if size]
        found = self.events[column]
        # A late thumbs-down may stand in a batch of its own; its unit was counted before.
        events = [min(found.get(partner, 0), self.sizes[partner]) for partner in partners]
        return grouped_failure_rate(events, [self.sizes[partner] for partner in partners])


class TrafficForecasts:
    """Error rate and thumbs-down rate of the stage that a promotion leads to."""

    kinds = frozenset(EVENTS)

    def predict(self, promotion: Promotion, now: datetime) -> Sequence[Predicted]:
        """The checkpoint's own rates in the pipeline's other stages; nothing below 50 units."""
        stays = Q(batch__stay__stage__pipeline=promotion.stage.pipeline_id) & ~Q(
            batch__stay__stage=promotion.stage_id
        )
        found = _counts(stays & Q(batch__stay__checkpoint=promotion.checkpoint_id), now)
        if found.n < LEAST_TO_PREDICT:
            return ()
        return [
            Predicted(
                kind=kind,
                predicted=rate.rate,
                lo=rate.lo,
                hi=rate.hi,
                n=rate.n,
                basis=f"{what} in the stages before, {_of(found)}",
            )
            for kind, (column, what) in EVENTS.items()
            for rate in (found.rate(column),)
        ]

    def observe(
        self, forecasts: Iterable[Forecast], release: Release, now: datetime
    ) -> Mapping[Any, Seen]:
        """The same rates in the release's own stage since it began, once enough was counted."""
        stay = Q(
            batch__stay__checkpoint=release.checkpoint_id,
            batch__stay__stage=release.stage_id,
            batch__opened_at__gte=release.started_at,
        )
        settled = now - SETTLES
        found = _counts(stay & Q(batch__closed_at__lte=settled), now)
        since, until = found.since, found.until
        if since is None or until is None or found.n < _needed(release, settled):
            return {}
        return {row.pk: _seen(found, ForecastKind(row.kind), since, until) for row in forecasts}


def _seen(found: _Counts, kind: ForecastKind, since: datetime, until: datetime) -> Seen:
    column, what = EVENTS[kind]
    rate = found.rate(column)
    return Seen(
        observed=rate.rate,
        lo=rate.lo,
        hi=rate.hi,
        n=rate.n,
        since=since,
        until=until,
        basis=f"{what} in the stage itself, {_of(found)}",
    )


def _needed(release: Release, now: datetime) -> int:
    has_ended = release.ended_at is not None and release.ended_at <= now
    waited = now - release.started_at >= PATIENCE
    return ENOUGH_IN_TIME if has_ended or waited else ENOUGH


def _of(found: _Counts) -> str:
    n_partners = sum(1 for size in found.sizes.values() if size)
    return f"{found.n:,} units of {n_partners} partner{'' if n_partners == 1 else 's'}"


def _counts(wanted: Q, now: datetime) -> _Counts:
    """The checkpoint's own arm of closed batches; a late batch counts events, and no unit again."""
    rows = (
        TrafficArm.objects.filter(
            wanted, arm=1, batch__counts=Counted.UNIT.value, batch__closed_at__lte=now
        )
        .order_by()
        .values("batch__partner")
        .annotate(
            size=Sum("n", filter=Q(batch__age=0), default=0),
            errors=Sum("n_errors", default=0),
            downs=Sum("n_downs", default=0),
            since=Min("batch__opened_at"),
            until=Max("batch__closed_at"),
        )
    )
    found = list(rows)
    return _Counts(
        sizes={row["batch__partner"]: row["size"] for row in found},
        events={
            "n_errors": {row["batch__partner"]: row["errors"] for row in found},
            "n_downs": {row["batch__partner"]: row["downs"] for row in found},
        },
        since=min((row["since"] for row in found), default=None),
        until=max((row["until"] for row in found), default=None),
    )
