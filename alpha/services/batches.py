"""Closed batches of live traffic: the only counts that gates and guardrails may look at.

What is counted once, how, and what is an error:

- A unit counts in the segment of its first call, once in a stay: it has an error when any of its
  calls of that segment had one before the batch was closed, its latency is that of its first call,
  its cost the mean of its priced calls. Batches of requests count every call by itself.
- An error is what the partner met because of the checkpoint or its upstream: a failure that was
  answered with 5xx, or a stream that broke after its 200; time-outs and an overloaded upstream are
  among them. No error, but counted: a client that hung up, and input that was refused with 4xx. Not
  counted at all: a call that its gateway did not live to end. The gateway's own refusals (rates,
  budgets, grants) admit no call and so write no usage.
- A batch closes by count alone, whatever was counted, and is never reopened. A thumbs-down that
  comes later is counted in a late batch among the units that had none, at fixed ages. One that was
  dismissed counts all the same: nobody closes a rate by hand.

One transaction a round, under one lock, with unique constraints behind it: two closers at once, or
one killed in between, count nothing twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Sum

from alpha.models import TrafficArm, TrafficBatch
from alpha.services import segments
from alpha.services.counting import (
    ADD_CALLS,
    ARMS_OF_REQUESTS,
    ARMS_OF_UNITS,
    LATE_ARMS,
    OPEN_REQUESTS,
    OPEN_UNITS,
    TAKE_REQUESTS,
    TAKE_UNITS,
    WAITING_CALLS,
)
from alpha.services.downs import count_downs
from alpha.states import Counted

LEAST = 20
MOST = 200
# A hundredth of what the partner has shown already: late batches of a long stay are larger.
_GROWTH = 100
CHUNK = 20_000
MOST_DOWNS = 5_000
# A thumbs-down is counted in the batch, or within the hour, the day or the week after it.
AGES = (timedelta(hours=1), timedelta(days=1), timedelta(days=7))
_LOCK = 0x511B0B47


@dataclass(frozen=True, slots=True, kw_only=True)
class _Window:
    """What waits for its batch: one partner in one segment."""

    stay_id: UUID
    segment_id: UUID
    partner_id: UUID
    n: int
    first_at: datetime


def close_batches(now: datetime) -> int:
    """Count what has landed and close what is full; the number of batches closed.

    Safe to run twice and at once: a second closer finds the lock taken and leaves.
    """
    n_closed = 0
    while True:
        with transaction.atomic():
            if not _is_alone():
                return n_closed
            n_read = _count_calls(now)
            count_downs(now, AGES, MOST_DOWNS)
            n_closed += sum(1 for _ in _close_all(now))
        if n_read < CHUNK:
            return n_closed


def _is_alone() -> bool:
    return bool(_run("SELECT pg_try_advisory_xact_lock(%(lock)s)", {"lock": _LOCK})[0][0])


def _count_calls(now: datetime) -> int:
    """Take the oldest landed calls into their segments and units; how many were read."""
    calls = _run(WAITING_CALLS, {"limit": CHUNK})
    segments.follow(release for _, release in calls)
    if calls:
        _run(ADD_CALLS, {"calls": [call for call, _ in calls], "now": now})
    return len(calls)


def _close_all(now: datetime) -> Iterator[TrafficBatch]:
    for window in _windows(OPEN_UNITS):
        if _is_full(window, Counted.UNIT):
            yield _close(window, Counted.UNIT, ARMS_OF_UNITS, TAKE_UNITS, now)
    for window in _windows(OPEN_REQUESTS):
        if _is_full(window, Counted.REQUEST):
            yield _close(window, Counted.REQUEST, ARMS_OF_REQUESTS, TAKE_REQUESTS, now)
    for age, after in enumerate(AGES, start=1):
        for batch in _aged(age, now - after):
            yield _close_late(batch, age, batch.closed_at + after)


def _windows(statement: str) -> list[_Window]:
    names = ("stay_id", "segment_id", "partner_id", "n", "first_at")
    rows = _run(statement, {"least": LEAST})
    return [_Window(**dict(zip(names, row, strict=True))) for row in rows]


def _is_full(window: _Window, counts: Counted) -> bool:
    earlier = TrafficArm.objects.filter(
        batch__stay=window.stay_id, batch__partner=window.partner_id, batch__counts=counts.value
    )
    seen = earlier.filter(batch__age=0).aggregate(n=Sum("n"))["n"] or 0
    return window.n >= min(max(LEAST, seen // _GROWTH), MOST)


def _close(window: _Window, counts: Counted, arms: str, take: str, now: datetime) -> TrafficBatch:
    same = {"stay_id": window.stay_id, "partner_id": window.partner_id, "counts": counts.value}
    number = TrafficBatch.objects.filter(**same, age=0).count() + 1
    batch = TrafficBatch.objects.create(
        **same,
        segment_id=window.segment_id,
        number=number,
        opened_at=window.first_at,
        closed_at=now,
    )
    where = {
        "batch": batch.pk,
        "segment": window.segment_id,
        "partner": window.partner_id,
    }
    _run(arms, where)
    _run(take, where)
    return batch


def _aged(age: int, closed_until: datetime) -> list[TrafficBatch]:
    """Batches of units that have come to that age and have no late batch of it."""
    same = TrafficBatch.objects.filter(
        stay=OuterRef("stay"),
        partner=OuterRef("partner"),
        counts=OuterRef("counts"),
        number=OuterRef("number"),
        age=age,
    )
    due = TrafficBatch.objects.filter(age=0, counts=Counted.UNIT.value, closed_at__lte=closed_until)
    return list(due.filter(~Exists(same)).order_by("closed_at", "pk"))


def _close_late(batch: TrafficBatch, age: int, closed_at: datetime) -> TrafficBatch:
    late = TrafficBatch.objects.create(
        stay_id=batch.stay_id,
        segment_id=batch.segment_id,
        partner_id=batch.partner_id,
        counts=batch.counts,
        number=batch.number,
        age=age,
        opened_at=batch.closed_at,
        closed_at=closed_at,
    )
    _run(LATE_ARMS, {"batch": late.pk, "of": batch.pk, "age": age})
    return late


def _run(statement: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []
