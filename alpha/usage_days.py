"""What a partner used, day by day: the rows behind every chart of usage and spend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from django.db import connection

from infra import clock

DAYS = 30
# Served by the index on (partner_id, started_at).
_BY_DAY = """
SELECT (started_at AT TIME ZONE 'UTC')::date AS day, codename, currency,
    count(*), count(*) FILTER (WHERE state <> 'succeeded'),
    coalesce(sum(tokens_in_shown), 0)::bigint, coalesce(sum(tokens_out), 0)::bigint,
    coalesce(sum(cost_micros), 0)::bigint,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY total_ms),
    percentile_cont(0.95) WITHIN GROUP (ORDER BY total_ms)
FROM usage_event
WHERE partner_id = %(partner)s AND month >= %(month)s AND started_at >= %(since)s
    AND (%(key)s::uuid IS NULL OR key_id = %(key)s)
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageDay:
    """What was called under one codename on one day of UTC, priced in one currency.

    `n_failed` are calls without a whole answer; latencies in ms, None where none was measured.
    """

    day: date
    codename: str
    currency: str
    n_requests: int
    n_failed: int
    tokens_in: int
    tokens_out: int
    cost_micros: int
    p50_ms: float | None
    p95_ms: float | None

    @property
    def tokens(self) -> int:
        return self.tokens_in + self.tokens_out


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageTotal:
    """The sums of a span; `currency` is empty where prices had several, which can't be added."""

    n_requests: int
    n_failed: int
    tokens: int
    cost_micros: int
    currency: str


def usage_days(
    partner_id: UUID, days: int = DAYS, key_id: UUID | None = None
) -> tuple[UsageDay, ...]:
    """The partner's usage of the last `days` days with today, oldest first; none of idle days."""
    first = first_day(days)
    given = {
        "partner": partner_id,
        "month": first.replace(day=1),
        "since": datetime.combine(first, time.min, UTC),
        "key": key_id,
    }
    names = tuple(UsageDay.__dataclass_fields__)
    with connection.cursor() as cursor:
        cursor.execute(_BY_DAY, given)
        return tuple(UsageDay(**dict(zip(names, row, strict=True))) for row in cursor.fetchall())


def by_codename(rows: Sequence[UsageDay]) -> dict[str, UsageTotal]:
    """The sums of each codename, most called first."""
    names = {row.codename for row in rows}
    found = {name: total_of([row for row in rows if row.codename == name]) for name in names}
    return dict(sorted(found.items(), key=lambda item: (-item[1].n_requests, item[0])))


def first_day(days: int = DAYS) -> date:
    """Where a span of so many days that ends today begins."""
    return clock.now().date() - timedelta(days=days - 1)


def total_of(rows: Sequence[UsageDay]) -> UsageTotal:
    """All of the rows together."""
    currencies = {row.currency for row in rows if row.cost_micros}
    return UsageTotal(
        n_requests=sum(row.n_requests for row in rows),
        n_failed=sum(row.n_failed for row in rows),
        tokens=sum(row.tokens for row in rows),
        cost_micros=sum(row.cost_micros for row in rows),
        currency=currencies.pop() if len(currencies) == 1 else "",
    )
