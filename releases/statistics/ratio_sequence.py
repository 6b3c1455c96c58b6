"""Ratio of two event rates, valid at every look: stratified odds-ratio and rate-ratio e-process."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from releases.statistics import inputs
from releases.statistics.inputs import Codes, Floats

GRID = np.linspace(-4.0, 4.0, 161)
PRIOR_SD = 0.7
LOG_PRIOR = special.log_softmax(-(GRID**2) / (2 * PRIOR_SD**2))
FAR = 40.0
# Logarithms of numbers that can be added as they are.
SAFE = 600.0


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
class RatioLooks:
    """What all looks so far leave of the odds ratio; empty, lo above hi, when it changed."""

    lo: float
    """The highest lower end of any look; 0 when there is none yet."""
    hi: float
    """The lowest upper end of any look; infinite when there is none yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Strata:
    """Strata end to end; given its totals, P(k) in one is proportional to weight_k e^{k g}."""

    events: Floats
    """Candidate's events, one number a stratum."""
    support: Floats
    """Possible events k, ascending within each stratum."""
    log_weights: Floats
    """Logarithms of the weights, which sum to 1 within each stratum."""
    starts: Codes
    """Where each stratum begins."""

    def log_likelihood(self, g: float) -> float:
        sums = self.log_sums(self.log_weights + self.support * g)
        return float(np.sum(self.events) * g - np.sum(sums))

    def on_grid(self) -> Floats:
        """Return each stratum's log likelihood on the grid, shape (strata, 161)."""
        sums = [self.log_sums(self.log_weights + self.support * g) for g in GRID]
        result: Floats = np.outer(self.events, GRID) - np.stack(sums, axis=1)
        return result

    def excess(self, g: float) -> float:
        """Return the events beyond those expected under g; falls as g rises."""
        tilted = self.log_weights + self.support * g
        chance = np.exp(tilted - np.repeat(self.log_sums(tilted), self.sizes()))
        return float(np.sum(self.events) - np.sum(chance * self.support))

    def extremes(self) -> tuple[float, float]:
        """Return the fewest and the most events that the totals allow."""
        last = np.append(self.starts[1:], len(self.support)) - 1
        return float(np.sum(self.support[self.starts])), float(np.sum(self.support[last]))

    def sizes(self) -> Codes:
        return np.diff(self.starts, append=len(self.support))

    def log_sums(self, values: Floats) -> Floats:
        """Return the logarithm of each stratum's sum of exponentials."""
        if values.size and np.max(values) < SAFE:
            plain: Floats = np.add.reduceat(np.exp(values), self.starts)
            if np.min(plain) > math.exp(-SAFE):
                return np.log(plain)
        tops = np.maximum.reduceat(values, self.starts)
        level = np.repeat(tops, self.sizes())
        sums = np.add.reduceat(np.exp(values - level), self.starts)
        result: Floats = tops + np.log(sums)
        return result


def odds_ratio_sequence(
    strata: Sequence[Sequence[float]], null_ratio: float, confidence: float = 0.95
) -> RatioSequence:
    """Compare event odds over closed strata [x0, n0, x1, n1]: events and units of each arm.

    Baseline first. A stratum without one of the arms, without events or with only events adds
    nothing. Raises ValueError naming the field.
    Source: Fisher's noncentral hypergeometric in a mixture martingale; Ville's inequality.
    """
    return _sequence(_hypergeometric(_compared(strata)), null_ratio, confidence)


def odds_ratio_looks(strata: Sequence[Sequence[float]], confidence: float = 0.95) -> RatioLooks:
    """Intersect the intervals after each closed stratum [x0, n0, x1, n1], in the order they closed.

    Both ends lie on the safe side of the exact ones by what the grid leaves open, far below 5%.
    Raises ValueError naming the field. Source: as `odds_ratio_sequence`, at every look.
    """
    kept = _hypergeometric(_compared(strata))
    limit = -math.log(1 - inputs.confidence_level(confidence))
    if len(kept.starts) == 0:
        return RatioLooks(lo=0.0, hi=math.inf)
    looks = np.cumsum(kept.on_grid(), axis=0)
    floor = special.logsumexp(LOG_PRIOR + looks, axis=1) - limit
    lo = float(np.max(_lower_ends(looks, floor)))
    hi = -float(np.max(_lower_ends(looks[:, ::-1], floor)))
    return RatioLooks(lo=math.exp(lo), hi=math.exp(hi))


def _lower_ends(looks: Floats, floor: Floats) -> Floats:
    """Return where each look's log likelihood, concave on the grid, rises above its floor.

    Left of the first grid point above, the line through it and the next one lies above the curve,
    so where that line meets the floor is outside the interval.
    """
    rows, step = np.arange(len(looks)), float(GRID[1] - GRID[0])
    above = looks > floor[:, None]
    first = np.where(above.any(axis=1), above.argmax(axis=1), looks.argmax(axis=1))
    following = np.minimum(first + 1, len(GRID) - 1)
    slope = (looks[rows, following] - looks[rows, first]) / step
    rise = looks[rows, first] - floor
    fall = np.where((slope > 0) & (rise > 0), rise / np.where(slope > 0, slope, 1.0), step)
    ends: Floats = np.where(first == 0, -math.inf, GRID[first] - np.minimum(fall, step))
    return ends


def rate_ratio_sequence(
    strata: Sequence[Sequence[float]], null_ratio: float, confidence: float = 0.95
) -> RatioSequence:
    """Compare event rates over closed strata [x0, exposure0, x1, exposure1].

    Baseline first; exposures in one unit, hours or requests. A stratum without one of the arms or
    without events adds nothing. Raises ValueError naming the field.
    Source: Poisson counts given their sum are binomial; mixture martingale as for the odds.
    """
    table = _table(strata, whole=(0, 2))
    x0, e0, x1, e1 = table.T
    is_wrong = (e0 < 0) | (e1 < 0) | ((x0 > 0) & (e0 == 0)) | ((x1 > 0) & (e1 == 0))
    _refuse(is_wrong, "has events without exposure, or a negative exposure")
    kept = (e0 > 0) & (e1 > 0) & (x0 + x1 > 0)
    return _sequence(_binomial(table[kept]), null_ratio, confidence)


def _compared(strata: Sequence[Sequence[float]]) -> Floats:
    """Return the strata that tell something about the ratio, in their order."""
    table = _table(strata, whole=(0, 1, 2, 3))
    x0, n0, x1, n1 = table.T
    _refuse((x0 > n0) | (x1 > n1), "has more events than units in an arm")
    total = x0 + x1
    kept: Floats = table[(n0 > 0) & (n1 > 0) & (total > 0) & (total < n0 + n1)]
    return kept


def _table(strata: Any, whole: tuple[int, ...]) -> Floats:
    table = inputs.matrix("strata", strata, 4)
    counts = table[:, whole]
    _refuse(np.any(counts < 0, axis=1), "has a count below 0")
    _refuse(np.any(counts > inputs.LARGEST_LOOP, axis=1), "has too large a count")
    _refuse(np.any(counts != np.floor(counts), axis=1), "has a count that is not whole")
    return table


def _refuse(is_wrong: NDArray[np.bool_], why: str) -> None:
    wrong = np.flatnonzero(is_wrong)
    if wrong.size:
        raise ValueError(f"strata[{wrong[0]}]: {why}")


def _hypergeometric(table: Floats) -> _Strata:
    x0, n0, x1, n1 = table.T
    total = x0 + x1
    k, starts, each = _support(np.maximum(0, total - n0), np.minimum(n1, total))
    log_weights = _log_choose(n1[each], k) + _log_choose(n0[each], total[each] - k)
    return _normalized(x1, k, log_weights, starts)


def _binomial(table: Floats) -> _Strata:
    x0, e0, x1, e1 = table.T
    total = x0 + x1
    k, starts, each = _support(np.zeros(len(table)), total)
    log_weights = _log_choose(total[each], k) + k * np.log(e1 / e0)[each]
    return _normalized(x1, k, log_weights, starts)


def _support(first: Floats, last: Floats) -> tuple[Floats, Codes, Codes]:
    """Return first..last of every stratum end to end, where each begins, and whose each is."""
    sizes = (last - first + 1).astype(np.intp)
    if sizes.sum() > 2 * inputs.LARGEST_LOOP:
        raise ValueError("strata: hold too many events to compare")
    starts = np.cumsum(sizes) - sizes
    each = np.repeat(np.arange(len(sizes)), sizes)
    return np.arange(len(each)) - starts[each] + first[each], starts, each


def _normalized(x1: Floats, support: Floats, log_weights: Floats, starts: Codes) -> _Strata:
    # Ratios of likelihoods are all that matters; this keeps the sums near 0.
    raw = _Strata(events=x1, support=support, log_weights=log_weights, starts=starts)
    level = np.repeat(raw.log_sums(log_weights), raw.sizes())
    return replace(raw, log_weights=log_weights - level)


def _log_choose(n: Floats, k: Floats) -> Floats:
    result: Floats = special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1)
    return result


def _sequence(strata: _Strata, null_ratio: float, confidence: float) -> RatioSequence:
    null = math.log(inputs.number("null_ratio", null_ratio, above=0.0))
    limit = -math.log(1 - inputs.confidence_level(confidence))
    mixture = float(special.logsumexp(LOG_PRIOR + strata.on_grid().sum(axis=0)))
    log_e = mixture - strata.log_likelihood(null)
    peak = _peak(strata)
    lo, hi = _bounds(lambda g: mixture - strata.log_likelihood(g) - limit, peak)
    return RatioSequence(
        log_e=log_e,
        p_always_valid=min(1.0, math.exp(-log_e)) if log_e > 0 else 1.0,
        lo=lo,
        hi=hi,
        estimate=math.exp(peak) if len(strata.starts) else None,
    )


def _peak(strata: _Strata) -> float:
    if len(strata.starts) == 0:
        return 0.0
    fewest, most = strata.extremes()
    events = float(strata.events.sum())
    if events in (fewest, most):
        return -math.inf if events == fewest else math.inf
    return float(optimize.brentq(strata.excess, -FAR, FAR))


def _bounds(gap: Callable[[float], float], peak: float) -> tuple[float, float]:
    first, last = float(GRID[0]), float(GRID[-1])
    middle = min(max(peak, first), last)
    lo = 0.0 if gap(first) < 0 else math.exp(optimize.brentq(gap, first, middle))
    hi = math.inf if gap(last) < 0 else math.exp(optimize.brentq(gap, middle, last))
    return lo, hi
