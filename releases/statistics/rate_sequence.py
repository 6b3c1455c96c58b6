"""One rate or one quantile, valid at every look: Robbins' beta-binomial mixture."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, special

from releases.statistics import inputs
from releases.statistics.inputs import Floats

TINY = 1e-300


@dataclass(frozen=True, slots=True, kw_only=True)
class AnytimeInterval:
    """An interval that holds the truth at every look with the asked confidence."""

    lo: float
    """Lower end; minus infinity when there is none yet."""
    hi: float
    """Upper end; infinite when there is none yet."""


def rate_sequence(
    x: int, n: int, p_star: float, n_opt: int, confidence: float = 0.95
) -> AnytimeInterval:
    """Return the interval of a rate from x events in n units, both ends in 0..1.

    `p_star` is the rate and `n_opt` the number of units it is tuned for; both must be fixed before
    the first look. Raises ValueError naming the field. Source: Robbins 1970.
    """
    units = inputs.count("n", n, at_least=1)
    events = inputs.count("x", x)
    if events > units:
        raise ValueError(f"x: must not exceed n ({units}), got {events}")
    a, b = _prior("p_star", p_star, n_opt, confidence)
    limit = -math.log(1 - confidence)

    def gap(p: float) -> float:
        return float(_log_mixture(np.array(float(events)), units, p, a, b)) - limit

    share = events / units
    lo = 0.0 if events == 0 else optimize.brentq(gap, TINY, share, xtol=1e-15)
    hi = 1.0 if events == units else optimize.brentq(gap, share, 1 - 1e-16, xtol=1e-15)
    return AnytimeInterval(lo=float(lo), hi=float(hi))


def quantile_sequence(
    values: Sequence[float] | Floats, q: float, n_opt: int, confidence: float = 0.95
) -> AnytimeInterval:
    """Return the interval of the q-quantile, in the unit of the values, from order statistics.

    An end that needs a value beyond the sample is infinite. On ties the interval is only wider.
    Raises ValueError naming the field. Source: Howard and Ramdas 2022, with Robbins' mixture.
    """
    ordered = np.sort(inputs.numbers("values", values))
    n = len(ordered)
    a, b = _prior("q", q, n_opt, confidence)
    counts = np.arange(n + 1, dtype=np.float64)
    kept = np.flatnonzero(_log_mixture(counts, n, q, a, b) < -math.log(1 - confidence))
    if kept.size == 0:
        raise ValueError(f"q: no order statistic of {n} values brackets the {q:g} quantile")
    first, last = int(kept[0]), int(kept[-1])
    return AnytimeInterval(
        lo=float(ordered[first - 1]) if first else -math.inf,
        hi=float(ordered[last]) if last < n else math.inf,
    )


def _prior(field: str, center: float, n_opt: int, confidence: float) -> tuple[float, float]:
    share = inputs.number(field, center, above=0.0, below=1.0)
    level = -2 * math.log(1 - inputs.confidence_level(confidence))
    strength = inputs.count("n_opt", n_opt, at_least=1) / (level + math.log(level + 1))
    return max(0.5, share * strength), max(0.5, (1 - share) * strength)


def _log_mixture(x: Floats, n: int, p: float, a: float, b: float) -> Floats:
    result: Floats = (
        special.betaln(a + x, b + n - x)
        - special.betaln(a, b)
        - special.xlogy(x, p)
        - special.xlog1py(n - x, -p)
    )
    return result
