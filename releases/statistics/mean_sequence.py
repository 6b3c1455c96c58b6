"""Difference of two unbounded means, valid at every look: asymptotic confidence sequence."""

import math
from dataclasses import dataclass

from releases.statistics import inputs
from releases.statistics.live_planning import mean_half_width

MIN_UNITS = 100
MIN_RAW_UNITS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanDifference:
    """Candidate minus baseline mean, in the unit of the values."""

    lo: float | None
    """Lower end; None below 100 units in an arm."""
    hi: float | None
    """Upper end; None below 100 units in an arm."""
    p_always_valid: float | None
    """p for "no difference", valid at every look; None below 100 units in an arm."""


def mean_difference_sequence(
    mean1: float,
    sd1: float,
    n1: int,
    mean0: float,
    sd0: float,
    n0: int,
    n_opt: int,
    confidence: float = 0.95,
) -> MeanDifference:
    """Compare two means by their standard deviations and units; the candidate is 1.

    `n_opt` is the number of units in both arms where the decision is expected, fixed before the
    first look. Take logarithms of latency and cost first. Nothing is reported before 100 units in
    each arm. Raises ValueError naming the field. Source: Waudby-Smith et al. 2021.
    """
    units1, units0 = inputs.count("n1", n1, at_least=1), inputs.count("n0", n0, at_least=1)
    gap = inputs.number("mean1", mean1) - inputs.number("mean0", mean0)
    variance = inputs.number("sd1", sd1, at_least=0.0) ** 2 / units1
    variance += inputs.number("sd0", sd0, at_least=0.0) ** 2 / units0
    alpha = 1 - inputs.confidence_level(confidence)
    level = -2 * math.log(alpha)
    r = (units1 + units0) * (level + math.log(level + 1)) / inputs.count("n_opt", n_opt, at_least=1)
    if min(units1, units0) < MIN_UNITS:
        return MeanDifference(lo=None, hi=None, p_always_valid=None)
    if variance == 0:
        raise ValueError("sd1: both arms are constant: the method needs some spread")
    half = math.sqrt(variance * 2 * (r + 1) / r * math.log(math.sqrt(r + 1) / alpha))
    log_p = 0.5 * math.log(r + 1) - r * gap**2 / variance / (2 * (r + 1))
    return MeanDifference(lo=gap - half, hi=gap + half, p_always_valid=math.exp(min(0.0, log_p)))


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanInterval:
    """One unbounded mean, in the unit of the values."""

    lo: float | None
    """Lower end; None below 300 units."""
    hi: float | None
    """Upper end; None below 300 units."""


def mean_sequence(
    mean: float, sd: float, n: int, n_opt: int, confidence: float = 0.95
) -> MeanInterval:
    """Return the anytime interval of one mean on its raw scale, from n units.

    `n_opt` is the number of units where the decision is expected, fixed before the first look.
    Nothing is reported before 300 units. Raises ValueError naming the field.
    Source: Waudby-Smith et al. 2021.
    """
    units = inputs.count("n", n, at_least=1)
    center, spread = inputs.number("mean", mean), inputs.number("sd", sd, at_least=0.0)
    tuned = inputs.count("n_opt", n_opt, at_least=1)
    level = inputs.confidence_level(confidence)
    if units < MIN_RAW_UNITS:
        return MeanInterval(lo=None, hi=None)
    if spread == 0:
        raise ValueError("sd: the values are constant: the method needs some spread")
    half = mean_half_width(spread / math.sqrt(units), units, tuned, level)
    return MeanInterval(lo=center - half, hi=center + half)
