"""Partners at a glance: what is going on with each, and what needs somebody."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Count, Exists, F, Min, OuterRef, Q, QuerySet

from alpha.models import Key, NoticeRecipient, Partner, PartnerLogin
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


def listed() -> QuerySet[Partner]:
    """Every partner by name, those that have ended last."""
    return Partner.objects.prefetch_related("cohorts").order_by(
        F("ended_at").asc(nulls_first=True), "name"
    )


def glances(partners: Iterable[Partner]) -> list[Glance]:
    """A line for each of these partners; a constant number of queries."""
    now, rows = clock.now(), list(partners)
    ids = [row.pk for row in rows]
    keys, calls = _keys_of(ids, now), calls_of(ids, now)
    unread = NoticeRecipient.objects.filter(acknowledged_at=None, partner__in=ids)
    people = PartnerLogin.objects.filter(ended_at=None, partner__in=ids)
    n_unread, n_people = _counted(unread), _counted(people)
    return [
        Glance(
            partner=row,
            n_people=n_people.get(row.pk, 0),
            n_unread=n_unread.get(row.pk, 0),
            **keys.get(row.pk, {"n_keys": 0, "key_ends_at": None}),
            **calls[row.pk],
        )
        for row in rows
    ]


def _counted(rows: QuerySet[Any]) -> dict[UUID, int]:
    found = rows.order_by().values("partner").annotate(n=Count("pk"))
    return {row["partner"]: row["n"] for row in found}


def _keys_of(partner_ids: Sequence[UUID], now: datetime) -> dict[UUID, dict[str, Any]]:
    """`n_keys` in force and `key_ends_at`, the next end that is near and has no successor."""
    in_force = Q(expires_at=None) | Q(expires_at__gt=now)
    live = Key.objects.filter(in_force, partner__in=partner_ids, revoked_at=None)
    successor = Key.objects.filter(replaces=OuterRef("pk"), revoked_at=None)
    near = Q(expires_at__lte=now + SOON, is_replaced=False)
    rows = (
        live.annotate(is_replaced=Exists(successor))
        .order_by()
        .values("partner")
        .annotate(n_keys=Count("pk"), key_ends_at=Min("expires_at", filter=near))
    )
    return {row.pop("partner"): row for row in rows}


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
