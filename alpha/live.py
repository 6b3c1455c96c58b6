"""What closed batches say of a checkpoint's present stay in a stage."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Count

from alpha.models import TrafficSegment, TrafficStay, TrafficUnit
from alpha.states import Counted
from alpha.traffic import Serving, Setting
from releases.models import Release, ShareChange, Stage
from releases.occupation import Stay, continuous_stays
from releases.states import Arm


def servings(stage_id: UUID, size: str) -> list[Serving]:
    """Everything that served the stage for that size, a halt being an end."""
    settings: dict[UUID, list[Setting]] = defaultdict(list)
    changes = ShareChange.objects.filter(release__stage_id=stage_id, release__size=size)
    for release_id, at, arm, share in changes.order_by("at", "pk").values_list(
        "release_id", "at", "arm", "share"
    ):
        settings[release_id].append(Setting(at=at, arm=Arm(arm), share=share))
    return [
        _serving(release, settings.get(release.pk, []))
        for release in Release.objects.filter(stage_id=stage_id, size=size)
    ]


def _serving(release: Release, settings: list[Setting]) -> Serving:
    ends = [at for at in (release.halted_at, release.ended_at) if at is not None]
    first = Setting(at=release.started_at, arm=Arm(release.arm), share=release.share)
    return Serving(
        release_id=release.pk,
        checkpoint_id=release.checkpoint_id,
        since=release.started_at,
        until=min(ends, default=None),
        settings=tuple(settings) or (first,),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """A checkpoint's stay that goes on now; `stay_id` None: no call of it was counted yet."""

    stage: str
    since: datetime
    release_ids: tuple[UUID, ...]
    stay_id: UUID | None
    baseline_ms: Sequence[float] | None
    baseline: str | None
    """The incumbent beside the candidate: of the newest comparison, else the one there now."""
    baseline_release_ids: tuple[UUID, ...]
    """Incumbents that it was compared with."""
    share: int
    """The checkpoint's percent in the newest comparison; 50 before one."""

    def threshold_ms(self, quantile: float) -> float | None:
        """The incumbent's latency at the quantile before the stay; None: it had served too few."""
        if self.baseline_ms is None:
            return None
        return self.baseline_ms[math.ceil(round(quantile * 100, 6))]


def present_stay(stage: Stage, checkpoint_id: UUID, size: str) -> Present | None:
    """The checkpoint's continuous stay that goes on now; None when it is not live there."""
    found = servings(stage.pk, size)
    mine = [s for s in found if s.checkpoint_id == checkpoint_id]
    stays = continuous_stays(Stay(since=s.since, until=s.until) for s in mine)
    if not stays or stays[-1].until is not None:
        return None
    since = stays[-1].since
    row = TrafficStay.objects.filter(stage=stage, checkpoint=checkpoint_id, since=since).first()
    compared = _compared(row)
    newest = compared[-1] if compared else None
    beside = newest.incumbent if newest else _incumbent_beside(stage, checkpoint_id, size)
    return Present(
        stage=stage.name,
        since=since,
        release_ids=tuple(s.release_id for s in mine if s.since >= since),
        stay_id=row.pk if row else None,
        baseline_ms=row.baseline_ms if row else None,
        baseline=beside.checkpoint.name if beside else None,
        baseline_release_ids=tuple({s.incumbent_id for s in compared if s.incumbent_id}),
        share=newest.share if newest else 50,
    )


def _compared(stay: TrafficStay | None) -> list[TrafficSegment]:
    rows = TrafficSegment.objects.filter(
        stay=stay, candidate__isnull=False, incumbent__isnull=False
    )
    return list(rows.select_related("incumbent__checkpoint").order_by("since")) if stay else []


def _incumbent_beside(stage: Stage, checkpoint_id: UUID, size: str) -> Release | None:
    there = Release.objects.filter(
        stage=stage, size=size, ended_at__isnull=True, arm=Arm.INCUMBENT.value
    )
    return there.exclude(checkpoint=checkpoint_id).select_related("checkpoint").first()


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmCounts:
    """One arm of a batch. `n_slow` of `n_timed` were slower than the threshold asked for."""

    n: int = 0
    n_errors: int = 0
    n_downs: int = 0
    n_timed: int = 0
    n_slow: int = 0
    n_priced: int = 0
    cost_sum: float = 0.0
    cost_squares: float = 0.0
    log_cost_sum: float = 0.0
    log_cost_squares: float = 0.0


_NOTHING = ArmCounts()


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A closed batch; `share` is the checkpoint's percent, and `age` above 0 what came late."""

    partner_id: UUID
    age: int
    closed_at: datetime
    compares: bool
    share: int
    arms: Mapping[int, ArmCounts] = field(default_factory=dict)

    def arm(self, number: int) -> ArmCounts:
        return self.arms.get(number, _NOTHING)


# `width_bucket` counts the values up to the threshold in the sorted array, without unpacking it.
_BATCHES = """
SELECT b.id, b.partner_id, b.age, b.closed_at, s.share,
    s.candidate_id IS NOT NULL AND s.incumbent_id IS NOT NULL AS compares,
    a.arm, a.n, a.n_errors, a.n_downs, a.n_priced, a.cost_sum, a.cost_squares,
    a.log_cost_sum, a.log_cost_squares, {timed}
FROM traffic_batch b
JOIN traffic_segment s ON s.id = b.segment_id
JOIN traffic_arm a ON a.batch_id = b.id
WHERE b.stay_id = ANY(%(stays)s) AND b.counts = %(counts)s AND b.closed_at <= %(now)s
ORDER BY b.closed_at, b.id
"""
_TIMED = """cardinality(a.ms) AS n_timed, cardinality(a.ms) - width_bucket(
    CASE a.arm WHEN 0 THEN %(slow0)s ELSE %(slow1)s END::float8, a.ms) AS n_slow"""
_UNTIMED = "0 AS n_timed, 0 AS n_slow"
_SHARED = ("id", "partner_id", "age", "closed_at", "share", "compares", "arm")


def closed_batches(
    stays: Iterable[Present],
    counts: Counted,
    now: datetime,
    slow_ms: tuple[float, float] | None = None,
) -> list[Batch]:
    """The batches of these stays in the order they closed; `slow_ms` per arm, incumbent first."""
    slow = dict(zip(("slow0", "slow1"), slow_ms or (), strict=False))
    statement = _BATCHES.format(timed=_TIMED if slow_ms else _UNTIMED)
    given = {"stays": [s.stay_id for s in stays if s.stay_id], "counts": counts.value, "now": now}
    found: dict[UUID, Batch] = {}
    for row in _rows(statement, {**given, **slow}):
        shared = {name: row.pop(name) for name in _SHARED}
        identifier, arm = shared.pop("id"), shared.pop("arm")
        batch = found.get(identifier)
        arms = {**(batch.arms if batch else {}), arm: ArmCounts(**row)}
        found[identifier] = Batch(**shared, arms=arms)
    return list(found.values())


def waiting_units(stays: Iterable[Present]) -> dict[tuple[int, int], int]:
    """Units of comparisons that are in no batch yet, by (the checkpoint's percent, arm)."""
    rows = TrafficUnit.objects.filter(
        batch=None,
        segment__in=TrafficSegment.objects.filter(
            stay__in=[s.stay_id for s in stays if s.stay_id],
            candidate__isnull=False,
            incumbent__isnull=False,
        ),
    )
    counted = rows.values_list("segment__share", "arm").annotate(n=Count("pk"))
    return {(share, arm): n for share, arm, n in counted}


# So many batches hold as many values as a quantile needs; all of a long stay would take seconds.
_LATENCIES = """
SELECT unnest(ms) AS ms FROM (
    SELECT a.ms FROM traffic_batch b JOIN traffic_arm a ON a.batch_id = b.id AND a.arm = 1
    WHERE b.stay_id = ANY(%(stays)s) AND b.counts = %(counts)s AND b.age = 0
        AND b.closed_at <= %(now)s
    ORDER BY b.closed_at DESC, b.id DESC LIMIT 200
) AS newest LIMIT %(most)s
"""


def newest_latencies(
    stays: Iterable[Present], counts: Counted, now: datetime, most: int
) -> list[float]:
    """Milliseconds of the checkpoint's newest units."""
    given = {"stays": [s.stay_id for s in stays if s.stay_id], "counts": counts.value}
    rows = _rows(_LATENCIES, {**given, "now": now, "most": most})
    return [row["ms"] for row in rows]


_ANSWERED = """
SELECT p.name AS partner, day, n_requests, first_at, last_at FROM (
    SELECT partner_id, (started_at AT TIME ZONE 'UTC')::date AS day, count(*) AS n_requests,
        min(started_at) AS first_at, max(started_at) AS last_at
    FROM usage_event
    WHERE release_id = ANY(%(releases)s) AND state = 'succeeded'
        AND started_at >= %(since)s AND started_at <= %(now)s AND month >= %(month)s
    GROUP BY 1, 2
) AS days JOIN partner p ON p.id = days.partner_id ORDER BY 1, 2
"""


def answered_requests(
    release_ids: Iterable[UUID], since: datetime, now: datetime
) -> list[dict[str, Any]]:
    """Per partner and UTC day: requests that were answered in full, the first and the last."""
    month = since.date().replace(day=1)
    given = {"releases": list(release_ids), "since": since, "now": now, "month": month}
    return _rows(_ANSWERED, given)


def _rows(statement: str, given: Mapping[str, Any]) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, given)
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
