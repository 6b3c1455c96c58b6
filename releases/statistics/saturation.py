"""When a suite will stop telling checkpoints apart: a logistic trend with a Fieller interval."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from releases.statistics import inputs
from releases.statistics.inputs import Floats

MIN_CHECKPOINTS = 4
CLIP = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class SaturationDate:
    """The day on which the trend reaches the target, in the days of the input."""

    slope_per_day: float
    """Slope of the logit of the score below the ceiling."""
    se_slope: float
    """Standard error of the slope."""
    date: float | None
    """Day of the target; None without a rising trend."""
    lo: float | None
    """Earliest day of the 95% interval; None without a trend."""
    hi: float | None
    """Latest day; infinite when the trend is too weak to bound it, None without one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trend:
    """Weighted line a + b t with its covariance."""

    a: float
    b: float
    v_aa: float
    v_ab: float
    v_bb: float
    dof: int


def saturation_date(
    t: Sequence[float] | Floats,
    s: Sequence[float] | Floats,
    se: Sequence[float] | Floats,
    c: float,
    target: float,
    confidence: float = 0.95,
) -> SaturationDate:
    """Forecast when the score reaches `target` under the ceiling `c`.

    `t` are days, `s` scores and `se` their standard errors, one a checkpoint, shape (n,) with at
    least 3. No date with fewer than 4 checkpoints, a score above the ceiling, or without a rise at
    one-sided 5%. A planning aid, never a gate. Raises ValueError naming the field.
    Source: weighted least squares; Fieller 1954.
    """
    days = inputs.numbers("t", t, min_count=3)
    scores = inputs.numbers("s", s, at_least=0.0, at_most=1.0)
    errors = inputs.numbers("se", se, at_least=0.0)
    inputs.same_length("s", scores, "t", len(days))
    inputs.same_length("se", errors, "t", len(days))
    ceiling = inputs.number("c", c, above=0.0, at_most=1.0)
    goal = inputs.number("target", target, above=0.0, below=ceiling)
    if not np.all(errors > 0):
        raise ValueError("se: must all be above 0")
    if np.ptp(days) == 0:
        raise ValueError("t: needs at least two different days")
    trend = _trend(days, scores, errors, ceiling)
    se_slope = math.sqrt(trend.v_bb)
    is_rising = trend.b > stats.t.ppf(0.95, trend.dof) * se_slope
    has_room = len(days) >= MIN_CHECKPOINTS and bool(np.all(scores <= ceiling))
    date = lo = hi = None
    if is_rising and has_room:
        height = _logit(goal / ceiling)
        date = (height - trend.a) / trend.b
        lo, hi = _fieller(trend, height, date, inputs.confidence_level(confidence))
    return SaturationDate(slope_per_day=trend.b, se_slope=se_slope, date=date, lo=lo, hi=hi)


def jump_above_trend(
    t: Sequence[float] | Floats,
    s: Sequence[float] | Floats,
    se: Sequence[float] | Floats,
    c: float,
) -> float:
    """Return how far the last score lies above the trend of those before it, in standard errors.

    Shapes (n,) with at least 4 checkpoints, as for `saturation_date`; on the logit scale below the
    ceiling `c`. A prompt to look at the checkpoint, never a verdict. Raises ValueError naming the
    field.
    """
    days = inputs.numbers("t", t, min_count=MIN_CHECKPOINTS)
    scores = inputs.numbers("s", s, at_least=0.0, at_most=1.0)
    errors = inputs.numbers("se", se, at_least=0.0)
    ceiling = inputs.number("c", c, above=0.0, at_most=1.0)
    if not np.all(errors > 0):
        raise ValueError("se: must all be above 0")
    trend = _trend(days[:-1], scores[:-1], errors[:-1], ceiling)
    u = float(np.clip(scores[-1] / ceiling, CLIP, 1 - CLIP))
    own = (float(errors[-1]) / (ceiling * u * (1 - u))) ** 2
    day = float(days[-1])
    spread = trend.v_aa + 2 * day * trend.v_ab + day**2 * trend.v_bb + own
    return (_logit(u) - trend.a - trend.b * day) / math.sqrt(spread)


def _trend(t: Floats, s: Floats, se: Floats, c: float) -> _Trend:
    u = np.clip(s / c, CLIP, 1 - CLIP)
    y = np.log(u / (1 - u))
    weight = (c * u * (1 - u) / se) ** 2
    design = np.column_stack([np.ones(len(t)), t])
    inverse = _inverse((design.T * weight) @ design)
    a, b = inverse @ (design.T @ (weight * y))
    chi2 = float(np.sum(weight * (y - a - b * t) ** 2))
    covariance = inverse * max(1.0, chi2 / (len(t) - 2))
    return _Trend(
        a=float(a),
        b=float(b),
        v_aa=float(covariance[0, 0]),
        v_ab=float(covariance[0, 1]),
        v_bb=float(covariance[1, 1]),
        dof=len(t) - 2,
    )


def _inverse(table: Floats) -> Floats:
    try:
        result: Floats = np.linalg.inv(table).astype(np.float64)
    except np.linalg.LinAlgError:
        result = np.full_like(table, np.nan)
    if not np.all(np.diag(result) > 0):
        raise ValueError("t: the days and errors differ too wildly for a trend")
    return result


def _fieller(trend: _Trend, height: float, date: float, level: float) -> tuple[float, float]:
    square = float(stats.t.ppf((1 + level) / 2, trend.dof)) ** 2
    gap = trend.a - height
    a = trend.b**2 - square * trend.v_bb
    b = trend.b * gap - square * trend.v_ab
    c = gap**2 - square * trend.v_aa
    root = b**2 - a * c
    if a == 0 or root < 0:
        return -math.inf, math.inf
    first, last = sorted(((-b - math.sqrt(root)) / a, (-b + math.sqrt(root)) / a))
    if a > 0:
        return first, last
    # A weak slope leaves everything outside the roots; the date lies on one side.
    return (last, math.inf) if date >= last else (-math.inf, first)


def _logit(share: float) -> float:
    return math.log(share / (1 - share))
