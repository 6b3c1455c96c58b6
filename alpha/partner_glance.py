"""Partners at a glance: what is going on with each, and what needs somebody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Count, Min, Q, QuerySet

from alpha.models import NoticeRecipient, Partner
from alpha.selectors import partners
from infra import clock

DAY = timedelta(days=1)
SOON = timedelta(days=14)
# Of each partner by its own index: a day of everybody's calls is never read.
_CALLS = """
SELECT p.id, d.n, d.n_failed, l.started_at
FROM unnest(%(partners)s::uuid[]) AS p(id)
LEFT JOIN LATERAL (
    SELECT count(*) AS n, count(*) FILTER (WHERE state <> 'succeeded') AS n_failed
    FROM usage_event WHERE partner_id = p.id AND month >= %(month)s AND started_at >= %(since)s
) d ON true
LEFT JOIN LATERAL (
    SELECT started_at FROM usage_event WHERE partner_id = p.id
    ORDER BY started_at DESC LIMIT 1
) l ON true
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """One partner's line: calls of the last 24 hours, and what somebody should look at."""

    partner: Partner
    n_keys: int
    n_people: int
    n_calls: int
    n_failed: int
    last_at: datetime | None
    key_ends_at: datetime | None
    n_unread: int

    @property
    def state(self) -> str:
        """In a word: ended, no keys, silent or calling."""
        if self.partner.ended_at is not None:
            return "ended"
        if not self.n_keys:
            return "no keys"
        return "calling" if self.n_calls else "silent"


def glances() -> list[Glance]:
    """Every partner, those that have ended last; a constant number of queries."""
    now = clock.now()
    rows = list(with_counts(now).order_by("ended_at", "name"))
    rows.sort(key=lambda row: row.ended_at is not None)
    unread = NoticeRecipient.objects.filter(acknowledged_at=None).values("partner")
    n_unread = {row["partner"]: row["n"] for row in unread.annotate(n=Count("pk")).order_by()}
    calls = calls_of([row.pk for row in rows], now)
    return [
        Glance(
            partner=row,
            n_keys=row.n_live_keys,
            n_people=row.n_people,
            key_ends_at=row.key_ends_at,
            n_unread=n_unread.get(row.pk, 0),
            **calls[row.pk],
        )
        for row in rows
    ]


def with_counts(now: datetime) -> QuerySet[Partner]:
    """Partners with keys in force, the end of a key that is near and not replaced, and people."""
    live = Q(keys__revoked_at=None, keys__isnull=False)
    live &= Q(keys__expires_at=None) | Q(keys__expires_at__gt=now)
    ending = live & Q(keys__expires_at__lte=now + SOON, keys__replacements=None)
    inside = Q(people__ended_at=None, people__isnull=False)
    return partners().annotate(
        n_live_keys=Count("keys", filter=live, distinct=True),
        key_ends_at=Min("keys__expires_at", filter=ending),
        n_people=Count("people", filter=inside, distinct=True),
    )


def calls_of(partner_ids: Sequence[UUID], now: datetime) -> dict[UUID, dict[str, Any]]:
    """`n_calls` and `n_failed` of the last 24 hours and `last_at`, by partner."""
    since = now - DAY
    month = since.date().replace(day=1)
    with connection.cursor() as cursor:
        cursor.execute(_CALLS, {"partners": list(partner_ids), "month": month, "since": since})
        return {
            partner: {"n_calls": n, "n_failed": n_failed, "last_at": last_at}
            for partner, n, n_failed, last_at in cursor.fetchall()
        }
