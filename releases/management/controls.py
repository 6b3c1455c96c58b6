"""How commands print freezes and rejections."""

from __future__ import annotations

from typing import Any

from releases.models import Rejection
from releases.selectors.freezes import FreezeNow


def freeze_line(found: FreezeNow) -> str:
    """One line for a person."""
    row = found.freeze
    where = row.stage or row.pipeline or "all stages"
    if found.problem:
        return f"{row}: {where}, closed, because it can't be read: {found.problem}"
    if found.window:
        return f"{row}: {where}, in force until {found.window.closes_at:%Y-%m-%d %H:%M} UTC"
    if found.following:
        return f"{row}: {where}, next from {found.following.opens_at:%Y-%m-%d %H:%M} UTC"
    return f"{row}: {where}, opens no more"


def freeze_dict(found: FreezeNow) -> dict[str, Any]:
    """A freeze as `--json` prints it."""
    row = found.freeze
    return {
        "id": str(row.pk),
        "name": row.name,
        "stage": str(row.stage) if row.stage else None,
        "pipeline": str(row.pipeline) if row.pipeline else None,
        "starts": row.starts,
        "lasts": row.lasts,
        "rule": row.rule,
        "time_zone": row.time_zone,
        "owner": str(row.owner) if row.owner else None,
        "reason": row.reason,
        "in_force": found.in_force,
        "until": found.clears_at.isoformat() if found.clears_at else None,
        "next": found.following.opens_at.isoformat() if found.following else None,
        "ended_at": row.ended_at.isoformat() if row.ended_at else None,
    }


def rejection_dict(row: Rejection) -> dict[str, Any]:
    """A rejection as `--json` prints it."""
    return {
        "id": str(row.pk),
        "checkpoint": row.checkpoint.name,
        "rejected_by": str(row.rejected_by),
        "reason": row.reason,
        "rejected_at": row.rejected_at.isoformat(),
        "lift_asked_by": str(row.lift_asked_by) if row.lift_asked_by else None,
        "lifted_by": str(row.lifted_by) if row.lifted_by else None,
        "lifted_at": row.lifted_at.isoformat() if row.lifted_at else None,
    }
