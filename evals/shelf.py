"""A suite's state and the reason for it, from its measurement and its review date. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from releases.statistics.suite_status import SuiteHealth, SuiteStatus, status_of
from releases.statistics.wording import points

MIN_CHECKPOINTS = 2
SOON_DAYS = 30
AUDIT_BELOW = 0.10
WORST_FIRST = (
    SuiteStatus.EXPIRED,
    SuiteStatus.SATURATED,
    SuiteStatus.AGEING,
    SuiteStatus.FRESH,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One checkpoint of the trend."""

    checkpoint: str
    day: str
    """ISO date of its registration."""
    score: float
    se: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """Something to look at; a prompt, never a verdict."""

    code: str
    sentence: str
    cases: Sequence[str] = ()
    """The first of the case ids it is about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A version's numbers over the checkpoints of one size class, scores in 0..1."""

    points: Sequence[Point]
    n_cases: int
    """Cases of the version that all these checkpoints were asked."""
    n_constant: int
    n_passed_by_all: int
    difficulty: Sequence[int]
    """Cases by mean score, in ten equal steps from 0 to 1."""
    n_no_signal: int
    """Cases whose discrimination is undefined: they, or the others, never vary."""
    to_check: Sequence[tuple[str, float]]
    """Cases with the most negative discrimination: (case id, correlation)."""
    best: float
    ceiling: float
    ceiling_lo: float
    ceiling_hi: float
    n_audited: int
    n_mislabelled: int
    headroom: float
    mde: float | None
    live_share: float | None
    is_saturated: bool
    saturated_before: bool
    is_contaminated: bool
    forecast: str | None
    """ISO date on which the trend reaches the ceiling less the resolution."""
    forecast_lo: str | None
    forecast_hi: str | None
    """None beside a date: later than any date worth naming."""
    n_from_partners: int
    """Cases that came from partners' calls, which those partners know."""
    n_partners: int
    signals: Sequence[Signal]
    link: Mapping[str, Any] | None
    """How the version reads on its predecessor's scale, with the linking error."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def measured_of(kept: Mapping[str, Any]) -> Measured:
    """The measurement that a row keeps."""
    whole = dict(kept)
    whole["points"] = [Point(**point) for point in whole["points"]]
    whole["signals"] = [Signal(**signal) for signal in whole["signals"]]
    whole["to_check"] = [tuple(pair) for pair in whole["to_check"]]
    return Measured(**whole)


def state_of(
    found: Measured | None, review_by: date, shelf_days: int, today: date
) -> tuple[SuiteStatus, str]:
    """The state with its reason, a clause without a full stop; by date alone until measured."""
    left = (review_by - today).days
    age_days = max(0, shelf_days - left)
    if left < 0:
        return SuiteStatus.EXPIRED, f"its review was due on {review_by}"
    if found is None or found.mde is None or found.live_share is None:
        return _by_date(review_by, left, age_days, shelf_days)
    status = status_of(
        SuiteHealth(
            age_days=min(age_days, shelf_days),
            headroom=max(-1.0, found.headroom),
            mde=found.mde,
            live_share=found.live_share,
            saturated_before=found.saturated_before,
            contaminated=found.is_contaminated,
            mislabel_share=found.n_mislabelled / found.n_audited if found.n_audited else 0.0,
            days_to_saturation=_days_to(found.forecast, today),
            shelf=shelf_days,
        )
    )
    return status, _reason(status, found, review_by, left, today)


def _by_date(review_by: date, left: int, age_days: int, shelf_days: int) -> tuple[SuiteStatus, str]:
    if 3 * age_days > 2 * shelf_days:
        return SuiteStatus.AGEING, f"its review is due on {review_by}, in {left} days"
    return SuiteStatus.FRESH, f"its review is due on {review_by}"


def _days_to(forecast: str | None, today: date) -> float | None:
    return None if forecast is None else float((date.fromisoformat(forecast) - today).days)


def _reason(status: SuiteStatus, found: Measured, review_by: date, left: int, today: date) -> str:
    if status is SuiteStatus.EXPIRED:
        return _why_expired(found)
    if status is SuiteStatus.SATURATED:
        return f"{_why_saturated(found)}: it can still block, no longer promote"
    if status is SuiteStatus.AGEING:
        return _why_ageing(found, review_by, left, today)
    return f"its review is due on {review_by}" + (f"; {_pace(found)}" if found.forecast else "")


def _why_expired(found: Measured) -> str:
    if found.is_contaminated:
        return "a checkpoint knows its exposed cases better than their fresh twins"
    if found.n_audited and 2 * found.n_mislabelled >= found.n_audited:
        return f"{found.n_mislabelled} of {found.n_audited} audited failures were wrong labels"
    return f"{_why_saturated(found)}, on two checkpoints running"


def _why_saturated(found: Measured) -> str:
    if found.mde is not None and found.headroom < found.mde:
        below = f"below the label-error ceiling of {100 * found.ceiling:.1f}%"
        gap = f"the best checkpoint has {_pts(found.headroom)} left {below}"
        return f"{gap}, and the suite can only see {_pts(found.mde)}"
    return f"only {_share(found.live_share)} of its cases still tell checkpoints apart"


def _why_ageing(found: Measured, review_by: date, left: int, today: date) -> str:
    mde, live = found.mde or 0.0, found.live_share or 0.0
    if found.headroom < 2 * mde:
        sees = f"while it sees {_pts(mde)} at best"
        return f"{_pts(found.headroom)} are left below the ceiling, {sees}"
    if live < 0.25:
        return f"{_share(live)} of its cases still tell checkpoints apart"
    days = _days_to(found.forecast, today)
    if days is not None and days <= SOON_DAYS:
        return _pace(found)
    return f"its review is due on {review_by}, in {left} days"


def _pace(found: Measured) -> str:
    """When it stops telling checkpoints apart; only where there is a forecast."""
    latest = found.forecast_hi or "no end in sight"
    between = f"(between {found.forecast_lo} and {latest})"
    return f"at this pace it stops telling checkpoints apart around {found.forecast} {between}"


def notes_of(found: Measured) -> list[str]:
    """Sentences beside the state, each without effect on it."""
    notes = []
    if len(found.points) < MIN_CHECKPOINTS:
        notes.append("Fewer than two checkpoints were run: too new to judge.")
    if not found.n_audited and 1 - found.best < AUDIT_BELOW:
        notes.append("Audit 20 failures before trusting this: no label was checked yet.")
    if len(found.points) < 20 and found.to_check:
        notes.append(
            f"With {len(found.points)} checkpoints, discrimination is a hint list only: "
            "20 would make it a measure."
        )
    return notes


def _pts(share: float) -> str:
    return f"{points(share).lstrip('+')} pts"


def _share(share: float | None) -> str:
    return f"{100 * (share or 0.0):.0f}%"
