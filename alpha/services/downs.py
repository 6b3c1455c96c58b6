"""Thumbs-down on their way to the units that they are about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Exists, OuterRef, Q

from alpha.models import Feedback, LandedCall, TrafficSegment, UsageEvent
from alpha.selectors import month_of

LONGEST_WAIT = timedelta(days=1)
# A unit has one at most: the first decides its age.
_MARK = """
UPDATE traffic_unit t SET down_age = CASE
    WHEN t.batch_id IS NULL THEN 0
    ELSE 1 + (
        SELECT count(*) FROM traffic_batch b, unnest(%(ages)s::interval[]) AS limits(after)
        WHERE b.id = t.batch_id AND %(now)s >= b.closed_at + after
    ) END
FROM unnest(%(stays)s::uuid[], %(units)s::text[], %(segments)s::uuid[])
    AS d(stay_id, unit, segment_id)
WHERE t.stay_id = d.stay_id AND t.unit = d.unit AND t.segment_id = d.segment_id
    AND t.down_age IS NULL
"""


def count_downs(now: datetime, ages: Sequence[timedelta], most: int) -> int:
    """Mark the units of at most so many thumbs-down that came in since; how many were counted.

    One whose call has not landed or not been counted yet waits for it, for a day at most: a gateway
    binds a remark to a call that it served before that call's usage is shipped.
    """
    landing = LandedCall.objects.filter(request_id=OuterRef("request_id"), segment=None)
    waiting = Feedback.objects.filter(thumbs_up=False, counted_at=None, release__isnull=False)
    read = list(waiting.filter(~Exists(landing)).order_by("received_at")[:most])
    calls = _calls(read)
    landed = {event.request_id for event in calls}
    found = [f for f in read if f.request_id in landed or f.received_at < now - LONGEST_WAIT]
    if not found:
        return 0
    about = {(s.stay_id, event.unit, s.pk) for event, s in _segments(calls)}
    stays, units, segments = (
        (list(column) for column in zip(*about, strict=True)) if about else ([], [], [])
    )
    with connection.cursor() as cursor:
        cursor.execute(
            _MARK,
            {
                "now": now,
                "ages": list(ages),
                "stays": stays,
                "units": units,
                "segments": segments,
            },
        )
    Feedback.objects.filter(pk__in=[f.pk for f in found]).update(counted_at=now)
    return len(found)


def _calls(remarks: Iterable[Feedback]) -> list[UsageEvent]:
    """The calls they are about; a bound remark is its own partner's."""
    ids = [f.request_id for f in remarks if f.request_id and f.request_id.version == 7]
    months = {month_of(identifier) for identifier in ids}
    return list(UsageEvent.objects.filter(month__in=months, request_id__in=ids))


def _segments(events: Sequence[UsageEvent]) -> list[tuple[UsageEvent, TrafficSegment]]:
    """Each call with the segment that it fell into; calls of none are left out."""
    releases = {event.release_id for event in events}
    rows = TrafficSegment.objects.filter(Q(candidate__in=releases) | Q(incumbent__in=releases))
    by_release: dict[Any, list[TrafficSegment]] = {}
    for row in rows:
        for release_id in (row.candidate_id, row.incumbent_id):
            by_release.setdefault(release_id, []).append(row)
    return [
        (event, row)
        for event in events
        for row in by_release.get(event.release_id, ())
        if row.counts_from <= event.started_at
        and (row.until is None or event.started_at < row.until)
    ]
