"""How much a stage was called in the last days, and how that went: what plans are made from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Min, Q, QuerySet, StdDev
from django.db.models.functions import Ln

from alpha.models import Feedback, UsageEvent
from alpha.states import UsageState
from releases.models import Release, Stage

DAYS = timedelta(days=7)
# A stage that was called for an hour says little about a day; less than this is taken as this.
LEAST = timedelta(hours=1)
_FAILED = (Q(http_status__gte=500) | Q(state=UsageState.FAILED.value)) & ~Q(
    state=UsageState.STOPPED.value
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecentTraffic:
    """Calls of one stage in a span of `days`."""

    stage: Stage
    since: datetime
    days: float
    n_requests: int
    n_units: int
    n_partners: int
    n_failed_units: int
    n_thumbs_down: int
    log_cost_spread: float | None
    """Standard deviation of the logarithm of a call's cost; None without priced calls."""

    @property
    def requests_per_day(self) -> float:
        return self.n_requests / self.days

    @property
    def units_per_day(self) -> float:
        return self.n_units / self.days

    def rate_of(self, kind: str) -> float | None:
        """Share of the units with a failure, or with a thumbs-down; None without a unit."""
        if not self.n_units:
            return None
        events = self.n_failed_units if kind == "error_rate" else self.n_thumbs_down
        return min(1.0, events / self.n_units)

    def share_slower_than(self, limit_ms: float) -> float | None:
        """Share of the calls that took longer; None without a timed one."""
        counts = self._timed().aggregate(
            n=Count("request_id"), slow=Count("request_id", filter=Q(total_ms__gt=limit_ms))
        )
        return counts["slow"] / counts["n"] if counts["n"] else None

    def slower_than_quantile(self, quantile: float, ratio: float) -> float | None:
        """Share of the calls that took longer than `ratio` times the quantile of them all."""
        n = self._timed().count()
        if not n:
            return None
        ordered = self._timed().order_by("total_ms").values_list("total_ms", flat=True)
        return self.share_slower_than(ratio * ordered[min(n - 1, int(quantile * n))])

    def _timed(self) -> QuerySet[UsageEvent]:
        return _calls(self.stage, self.since).filter(total_ms__isnull=False)


def recent_traffic(stage: Stage, now: datetime) -> RecentTraffic:
    """The last seven days of a stage, from its first call in them."""
    since = now - DAYS
    counted = _calls(stage, since).aggregate(
        first=Min("started_at"),
        n_requests=Count("*"),
        n_units=Count("unit", distinct=True),
        n_partners=Count("partner", distinct=True),
        n_failed_units=Count("unit", distinct=True, filter=_FAILED),
        log_cost_spread=StdDev(Ln("cost_micros"), filter=Q(cost_micros__gt=0)),
    )
    first = counted.pop("first")
    downs = Feedback.objects.filter(stage=stage, received_at__gte=since, thumbs_up=False)
    return RecentTraffic(
        stage=stage,
        since=since,
        days=max(LEAST, now - first) / timedelta(days=1) if first else DAYS / timedelta(days=1),
        n_thumbs_down=downs.values("request_id").distinct().count(),
        **counted,
    )


def _calls(stage: Stage, since: datetime) -> QuerySet[UsageEvent]:
    """By release, for which the table has an index."""
    releases = list(Release.objects.filter(stage=stage).values_list("pk", flat=True))
    return UsageEvent.objects.filter(release__in=releases, started_at__gte=since)
