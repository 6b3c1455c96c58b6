"""The times of constant shares that live traffic is counted in, kept as rows."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection

from alpha.live import servings
from alpha.models import TrafficSegment, TrafficStay
from alpha.traffic import Serving, Span, spans
from releases.models import Release

BASELINE_CALLS = 20_000
LEAST_BASELINE_CALLS = 100
_PERCENTILES = [percent / 100 for percent in range(101)]
# A refusal of the client's own input says nothing about how fast the checkpoint is.
_BASELINE = """
SELECT count(*), percentile_disc(%s::float8[]) WITHIN GROUP (ORDER BY total_ms) FROM (
    SELECT total_ms FROM usage_event
    WHERE release_id = ANY(%s) AND started_at < %s AND month <= %s AND total_ms IS NOT NULL
        AND state NOT IN ('aborted', 'stopped')
        AND NOT (state = 'failed' AND http_status BETWEEN 400 AND 499)
    ORDER BY started_at DESC LIMIT %s
) AS newest
"""


def follow(release_ids: Iterable[UUID]) -> None:
    """Bring the segments of the stages and sizes that these releases serve up to date."""
    groups = Release.objects.filter(pk__in=set(release_ids)).values_list("stage_id", "size")
    for stage_id, size in set(groups):
        _follow(stage_id, size)


def _follow(stage_id: UUID, size: str) -> None:
    known = TrafficSegment.objects.filter(stage_id=stage_id, size=size)
    rows = {row.since: row for row in known.filter(until=None)}
    newest = known.order_by("-since").values_list("since", flat=True).first()
    found = servings(stage_id, size)
    for span in spans(found, newest):
        row = rows.get(span.since)
        if row is not None and span.until is not None:
            row.until = span.until
            row.save(update_fields=["until"])
        elif row is None and span.since != newest:
            _make(stage_id, size, span, found)


def _make(stage_id: UUID, size: str, span: Span, found: list[Serving]) -> None:
    TrafficSegment.objects.create(
        stay=_stay(stage_id, span, found),
        stage_id=stage_id,
        size=size,
        candidate_id=span.candidate_id,
        incumbent_id=span.incumbent_id,
        share=span.share,
        since=span.since,
        counts_from=span.counts_from,
        until=span.until,
    )


def _stay(stage_id: UUID, span: Span, found: list[Serving]) -> TrafficStay:
    named = {
        "stage_id": stage_id,
        "checkpoint_id": span.checkpoint_id,
        "since": span.stay_since,
    }
    known = TrafficStay.objects.filter(**named).first()
    if known is not None:
        return known
    return TrafficStay.objects.create(**named, baseline_ms=_baseline_ms(span, found))


def _baseline_ms(span: Span, found: list[Serving]) -> list[float] | None:
    """The incumbent's latency before the stay, frozen; None when it had served too little."""
    if not span.compares:
        return None
    checkpoint = next(s.checkpoint_id for s in found if s.release_id == span.incumbent_id)
    releases = [s.release_id for s in found if s.checkpoint_id == checkpoint]
    before = span.stay_since
    with connection.cursor() as cursor:
        cursor.execute(
            _BASELINE, [_PERCENTILES, releases, before, _last_month(before), BASELINE_CALLS]
        )
        n_calls, percentiles = cursor.fetchone()
    return list(percentiles) if n_calls >= LEAST_BASELINE_CALLS else None


def _last_month(before: datetime) -> datetime:
    """A call's month is that of its request id, made by another clock than the deadline's."""
    return before + timedelta(days=1)
