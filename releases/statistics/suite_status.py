"""Whether a suite may still decide; standard library only, importable by pure code."""

import enum
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

SHELF_DAYS = 90.0
SOON_DAYS = 30.0


class SuiteStatus(enum.StrEnum):
    """How far a suite has worn out; the first that holds."""

    EXPIRED = "expired"
    """Contaminated, mostly wrong labels, too old, or saturated twice running."""
    SATURATED = "saturated"
    """Cannot show that even a perfect checkpoint is better, or hardly a case is live."""
    AGEING = "ageing"
    """Counts, and its owner is told."""
    FRESH = "fresh"
    """Counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteHealth:
    """What the status rests on."""

    age_days: float
    """Days since the last refresh or review."""
    headroom: float
    """Ceiling less the best score."""
    mde: float
    """Smallest difference the suite can see."""
    live_share: float
    """Share of cases that still tell checkpoints apart."""
    saturated_before: bool = False
    """Whether it was saturated on the checkpoint before."""
    contaminated: bool = False
    """Whether contamination was shown."""
    mislabel_share: float = 0.0
    """Share of audited failures that were wrong labels."""
    days_to_saturation: float | None = None
    """Days to the forecast date; None without one."""
    shelf: float = SHELF_DAYS
    """Days after which the suite expires; it ages after two thirds of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statuses:
    """One status a row."""

    status: tuple[SuiteStatus, ...]
    """In the order of the rows."""


def status_of(health: SuiteHealth) -> SuiteStatus:
    """Return the first status whose rule holds; raises ValueError naming the field."""
    _check(health)
    is_saturated = health.headroom < health.mde or health.live_share < 0.10
    if (
        health.contaminated
        or health.mislabel_share >= 0.5
        or health.age_days > health.shelf
        or (is_saturated and health.saturated_before)
    ):
        return SuiteStatus.EXPIRED
    if is_saturated:
        return SuiteStatus.SATURATED
    is_due = health.days_to_saturation is not None and health.days_to_saturation <= SOON_DAYS
    is_old = health.age_days > health.shelf * 2 / 3
    if is_old or health.headroom < 2 * health.mde or health.live_share < 0.25 or is_due:
        return SuiteStatus.AGEING
    return SuiteStatus.FRESH


def suite_status(rows: Sequence[Sequence[Any]]) -> Statuses:
    """Return the status of rows [age_days, headroom, mde, live_share, {optional fields}?].

    Raises ValueError naming the row.
    """
    if not isinstance(rows, list | tuple):
        raise ValueError("rows: must be a list")
    return Statuses(status=tuple(_row_status(i, row) for i, row in enumerate(rows)))


def _row_status(at: int, row: Sequence[Any]) -> SuiteStatus:
    if not isinstance(row, list | tuple) or len(row) not in (4, 5):
        raise ValueError(f"rows[{at}]: needs age_days, headroom, mde, live_share and maybe more")
    more = row[4] if len(row) == 5 else {}
    if not isinstance(more, Mapping):
        raise ValueError(f"rows[{at}][4]: must be an object")
    unknown = sorted(set(more) - {field.name for field in fields(SuiteHealth)[4:]})
    if unknown:
        raise ValueError(f"rows[{at}][4]: has no field {unknown[0]!r}")
    try:
        return status_of(
            SuiteHealth(
                age_days=row[0], headroom=row[1], mde=row[2], live_share=row[3], **dict(more)
            )
        )
    except ValueError as error:
        raise ValueError(f"rows[{at}]: {error}") from error


def _check(health: SuiteHealth) -> None:
    for name in ("saturated_before", "contaminated"):
        if not isinstance(getattr(health, name), bool):
            raise ValueError(f"{name}: must be true or false")
    limits: dict[str, tuple[float, float]] = {
        "age_days": (0.0, math.inf),
        "headroom": (-1.0, 1.0),
        "mde": (0.0, math.inf),
        "live_share": (0.0, 1.0),
        "mislabel_share": (0.0, 1.0),
        "shelf": (0.0, math.inf),
    }
    if health.days_to_saturation is not None:
        limits["days_to_saturation"] = (-math.inf, math.inf)
    for name, (low, high) in limits.items():
        value = getattr(health, name)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not math.isfinite(value) or not low <= value <= high:
            raise ValueError(f"{name}: must be a finite number in {low}..{high}, got {value!r}")
