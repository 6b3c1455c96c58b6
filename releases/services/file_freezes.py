"""Places and ends the freezes that a pipeline file names; part of an apply's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from infra import people
from releases.models import Freeze, Pipeline, Stage

_COMPARED = ("starts", "lasts", "rule", "except_dates", "time_zone", "reason")


def write_freezes(
    *,
    pipeline: Pipeline,
    stage: Stage | None,
    wanted: Iterable[Mapping[str, Any]],
    version: int,
    now: datetime,
) -> None:
    """Bring the file's freezes of the pipeline, or of one of its stages, to what is wanted.

    One that is there unchanged stays with its waivers; a changed one ends, and its successor has
    none. Freezes that people placed are not touched.
    """
    subject = {"stage": stage} if stage else {"pipeline": pipeline}
    rows = Freeze.objects.select_for_update().filter(
        **subject, from_file=True, ended_at__isnull=True
    )
    standing = {row.name: row for row in rows}
    for item in wanted:
        row = standing.get(item["name"])
        if row is not None and _is(row, item):
            del standing[row.name]
            continue
        if row is not None:
            _end(standing.pop(row.name), version, now)
        owner = people.person_named(item["owner"]) if item["owner"] else None
        kept = {name: item[name] for name in ("name", *_COMPARED)}
        Freeze.objects.create(**subject, **kept, owner=owner, from_file=True, placed_at=now)
    for row in standing.values():
        _end(row, version, now)


def _is(row: Freeze, item: Mapping[str, Any]) -> bool:
    owner = people.person_named(item["owner"]) if item["owner"] else None
    same_owner = row.owner_id == (owner.pk if owner else None)
    return same_owner and all(getattr(row, name) == item[name] for name in _COMPARED)


def _end(row: Freeze, version: int, now: datetime) -> None:
    row.ended_at, row.end_reason = now, f"Not in the pipeline's file any more, since @{version}."
    row.save(update_fields=["ended_at", "end_reason"])
