"""Mean of bounded values, valid at every look: hedged betting."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize

from releases.statistics import inputs
from releases.statistics.inputs import Floats
from releases.statistics.rate_sequence import AnytimeInterval


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bets:
    """Values in 0..1 in the order they came, with the stakes fixed before each of them."""

    values: Floats
    stakes: Floats

    def log_wealth_above(self, m: float) -> float:
        """Return the wealth of betting that the mean exceeds m; falls as m rises."""
        stakes = np.minimum(self.stakes, 0.5 / m) if m > 0 else self.stakes
        return math.log(0.5) + float(np.sum(np.log1p(stakes * (self.values - m))))


def bounded_mean_sequence(u: Sequence[float] | Floats, confidence: float = 0.95) -> AnytimeInterval:
    """Return the interval of the mean of u, shape (n,), in 0..1, in the order the values came.

    The cases must have been run in random order. Raises ValueError naming the field.
    Source: Waudby-Smith and Ramdas 2024, Theorem 3.
    """
    values = inputs.numbers("u", u, at_least=0.0, at_most=1.0)
    return _interval(values, confidence)


def paired_delta_sequence(d: Sequence[float] | Floats, confidence: float = 0.95) -> AnytimeInterval:
    """Return the interval of the mean difference d, shape (n,), in -1..1, in the order they came.

    The cases must have been run in random order. Raises ValueError naming the field.
    """
    values = inputs.numbers("d", d, at_least=-1.0, at_most=1.0)
    inner = _interval((values + 1) / 2, confidence)
    return AnytimeInterval(lo=2 * inner.lo - 1, hi=2 * inner.hi - 1)


def _interval(values: Floats, confidence: float) -> AnytimeInterval:
    alpha = 1 - inputs.confidence_level(confidence)
    stakes = _stakes(values, alpha)
    lo = _lower(_Bets(values=values, stakes=stakes), alpha)
    hi = 1 - _lower(_Bets(values=1 - values, stakes=stakes), alpha)
    return AnytimeInterval(lo=lo, hi=hi)


def _stakes(values: Floats, alpha: float) -> Floats:
    t = np.arange(1, len(values) + 1)
    means = (0.5 + np.cumsum(values)) / (t + 1)
    spreads = (0.25 + np.cumsum((values - means) ** 2)) / (t + 1)
    # The stake may rest on the past only: the spread before the value is seen.
    before = np.append(0.25, spreads[:-1])
    result: Floats = np.sqrt(2 * np.log(2 / alpha) / (before * t * np.log(t + 1)))
    return result


def _lower(bets: _Bets, alpha: float) -> float:
    limit = -math.log(alpha)
    if bets.log_wealth_above(0.0) < limit:
        return 0.0
    return float(optimize.brentq(lambda m: bets.log_wealth_above(m) - limit, 0.0, 1.0))
