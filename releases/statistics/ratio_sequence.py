"""Ratio of two event rates, valid at every look: stratified odds-ratio and rate-ratio e-process."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, special

from releases.statistics import inputs
from releases.statistics.inputs import Floats

GRID = np.linspace(-4.0, 4.0, 161)
PRIOR_SD = 0.7
FAR = 40.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RatioSequence:
    """Candidate over baseline, as an odds ratio or a rate ratio; 1 is no difference."""

    log_e: float
    """Natural logarithm of the e-value against the null ratio."""
    p_always_valid: float
    """p against the null ratio, valid at every stopping time."""
    lo: float
    """Lower end of the confidence sequence; 0 when it lies below exp(-4): none yet."""
    hi: float
    """Upper end of the confidence sequence; infinite when it lies above exp(4): none yet."""
    estimate: float | None
    """Conditional maximum-likelihood ratio; None without an informative stratum."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stratum:
    """Candidate's events given the stratum's totals: P(k) is proportional to weight_k e^{k g}."""

    events: int
    support: Floats
    log_weights: Floats

    def log_likelihood(self, g: float) -> float:
        k = self.support
        return self.events * g - float(special.logsumexp(self.log_weights + k * g))

    def excess(self, g: float) -> float:
        chance = special.softmax(self.log_weights + self.support * g)
        return self.events - float(np.sum(chance * self.support))


def odds_ratio_sequence(
    strata: Sequence[Sequence[float]], null_ratio: float, confidence: float = 0.95
) -> RatioSequence:
    """Compare event odds over closed strata [x0, n0, x1, n1]: events and units of each arm.

    Baseline first. A stratum without one of the arms, without events or with only events adds
    nothing. Raises ValueError naming the field.
    Source: Fisher's noncentral hypergeometric in a mixture martingale; Ville's inequality.
    """
    informative = []
    for at, row in enumerate(inputs.matrix("strata", strata, 4)):
        x0, n0, x1, n1 = (_total(at, value) for value in row)
        if x0 > n0 or x1 > n1:
            raise ValueError(f"strata[{at}]: has more events than units in an arm")
        if n0 and n1 and 0 < x0 + x1 < n0 + n1:
            informative.append(_hypergeometric(x0, n0, x1, n1))
    return _sequence(informative, null_ratio, confidence)


def rate_ratio_sequence(
    strata: Sequence[Sequence[float]], null_ratio: float, confidence: float = 0.95
) -> RatioSequence:
    """Compare event rates over closed strata [x0, exposure0, x1, exposure1].

    Baseline first; exposures in one unit, hours or requests. A stratum without one of the arms or
    without events adds nothing. Raises ValueError naming the field.
    Source: Poisson counts given their sum are binomial; mixture martingale as for the odds.
    """
    informative = []
    for at, (x0, e0, x1, e1) in enumerate(inputs.matrix("strata", strata, 4)):
        events0, events1 = _total(at, x0), _total(at, x1)
        if min(e0, e1) < 0 or (events0 and not e0) or (events1 and not e1):
            raise ValueError(f"strata[{at}]: has events without exposure, or a negative exposure")
        if e0 and e1 and events0 + events1:
            informative.append(_binomial(events0, float(e0), events1, float(e1)))
    return _sequence(informative, null_ratio, confidence)


def _total(at: int, value: float) -> int:
    return inputs.count(f"strata[{at}]", float(value), at_most=inputs.LARGEST_LOOP)


def _hypergeometric(x0: int, n0: int, x1: int, n1: int) -> _Stratum:
    total = x0 + x1
    k = np.arange(max(0, total - n0), min(n1, total) + 1, dtype=np.float64)
    log_weights = _log_choose(n1, k) + _log_choose(n0, total - k)
    return _normalized(x1, k, log_weights)


def _binomial(x0: int, e0: float, x1: int, e1: float) -> _Stratum:
    total = x0 + x1
    k = np.arange(total + 1, dtype=np.float64)
    log_weights = _log_choose(total, k) + k * math.log(e1) + (total - k) * math.log(e0)
    return _normalized(x1, k, log_weights)


def _normalized(events: int, support: Floats, log_weights: Floats) -> _Stratum:
    # Ratios of likelihoods are all that matters; this keeps the sums near 0.
    return _Stratum(
        events=events, support=support, log_weights=log_weights - special.logsumexp(log_weights)
    )


def _log_choose(n: float, k: Floats) -> Floats:
    result: Floats = special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1)
    return result


def _sequence(strata: list[_Stratum], null_ratio: float, confidence: float) -> RatioSequence:
    null = math.log(inputs.number("null_ratio", null_ratio, above=0.0))
    limit = -math.log(1 - inputs.confidence_level(confidence))

    def log_likelihood(g: float) -> float:
        return math.fsum(stratum.log_likelihood(g) for stratum in strata)

    weights = -(GRID**2) / (2 * PRIOR_SD**2)
    on_grid = np.array([log_likelihood(float(g)) for g in GRID])
    mixture = float(special.logsumexp(weights - special.logsumexp(weights) + on_grid))
    log_e = mixture - log_likelihood(null)
    peak = _peak(strata)
    lo, hi = _bounds(lambda g: mixture - log_likelihood(g) - limit, peak)
    return RatioSequence(
        log_e=log_e,
        p_always_valid=min(1.0, math.exp(-log_e)) if log_e > 0 else 1.0,
        lo=lo,
        hi=hi,
        estimate=math.exp(peak) if strata else None,
    )


def _peak(strata: list[_Stratum]) -> float:
    if not strata:
        return 0.0
    events = sum(stratum.events for stratum in strata)
    if events == sum(float(stratum.support[0]) for stratum in strata):
        return -math.inf
    if events == sum(float(stratum.support[-1]) for stratum in strata):
        return math.inf

    def excess(g: float) -> float:
        return math.fsum(stratum.excess(g) for stratum in strata)

    return float(optimize.brentq(excess, -FAR, FAR))


def _bounds(gap: Callable[[float], float], peak: float) -> tuple[float, float]:
    first, last = float(GRID[0]), float(GRID[-1])
    middle = min(max(peak, first), last)
    lo = 0.0 if gap(first) < 0 else math.exp(optimize.brentq(gap, first, middle))
    hi = math.inf if gap(last) < 0 else math.exp(optimize.brentq(gap, middle, last))
    return lo, hi
