"""Mean of bounded values, valid at every look: hedged betting."""

import math
from collections.abc import Callable, Hashable, Sequence
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
    weights: Floats
    stakes: Floats

    def log_wealth_above(self, m: float) -> float:
        """Return the wealth of betting that the mean exceeds m; falls as m rises."""
        return math.log(0.5) + float(np.sum(self._gains(m)))

    def log_wealths_above(self, m: float) -> Floats:
        """Return that wealth after each of the values, shape (n,)."""
        wealths: Floats = math.log(0.5) + np.cumsum(self._gains(m))
        return wealths

    def _gains(self, m: float) -> Floats:
        stakes = np.minimum(self.stakes, 0.5 / m) if m > 0 else self.stakes
        gains: Floats = np.log1p(stakes * (self.values - m * self.weights))
        return gains

    def mirrored(self) -> "_Bets":
        """Return the same bets on one minus the values."""
        return _Bets(values=self.weights - self.values, weights=self.weights, stakes=self.stakes)


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundedSequence:
    """All that a sequence of bounded values says at this look, valid at every look."""

    bets: _Bets
    alpha: float
    is_running: bool = False
    """Whether every look so far counts: the intersection of their intervals, their smallest p."""

    @property
    def interval(self) -> AnytimeInterval:
        """The interval of the mean."""
        return AnytimeInterval(
            lo=_lower(self._above, self.alpha), hi=1 - _lower(self._below, self.alpha)
        )

    def p_above(self, m: float) -> float:
        """Return the always-valid p for "the mean is above m", m in 0..1."""
        return min(1.0, math.exp(-self._above(m)))

    def p_below(self, m: float) -> float:
        """Return the always-valid p for "the mean is below m", m in 0..1."""
        return min(1.0, math.exp(-self._below(1 - m)))

    def first_above(self, m: float) -> int | None:
        """Return after how many values (or clusters) the mean surely exceeded m; None: not yet."""
        return _first(self.bets.log_wealths_above(m), self.alpha)

    def first_below(self, m: float) -> int | None:
        """Return after how many values (or clusters) the mean was surely below m; None: not yet."""
        return _first(self.bets.mirrored().log_wealths_above(1 - m), self.alpha)

    def _above(self, m: float) -> float:
        return self._wealth(self.bets, m)

    def _below(self, m: float) -> float:
        return self._wealth(self.bets.mirrored(), m)

    def _wealth(self, bets: _Bets, m: float) -> float:
        if self.is_running:
            return float(bets.log_wealths_above(m).max())
        return bets.log_wealth_above(m)


def bounded_sequence(
    u: Sequence[float] | Floats,
    cluster: Sequence[Hashable] | None = None,
    largest: int | None = None,
    confidence: float = 0.95,
    running: bool = False,
) -> BoundedSequence:
    """Return what values in 0..1, shape (n,), say of their mean, in the order they came.

    Clusters come whole and in random order; `largest` is the size of the largest one of the whole
    suite, known beforehand. `running` counts every look, one a cluster, and not the last alone.
    Raises ValueError naming the field. Source: section 2c.
    """
    values = inputs.numbers("u", u, at_least=0.0, at_most=1.0)
    alpha = 1 - inputs.confidence_level(confidence)
    if not isinstance(running, bool):
        raise ValueError(f"running: must be true or false, got {inputs.shown(running)}")
    sums, weights = _by_cluster(values, cluster, largest)
    bets = _Bets(values=sums, weights=weights, stakes=_stakes(sums, alpha))
    return BoundedSequence(bets=bets, alpha=alpha, is_running=running)


def _by_cluster(
    values: Floats, cluster: Sequence[Hashable] | None, largest: int | None
) -> tuple[Floats, Floats]:
    """Return the sum and the size of each cluster in the order of its first value, over largest."""
    if cluster is None:
        return values, np.ones(len(values))
    codes = inputs.cluster_codes("cluster", cluster, len(values))
    order = {code: i for i, code in enumerate(dict.fromkeys(codes.tolist()))}
    places = np.array([order[code] for code in codes.tolist()])
    sizes = np.bincount(places).astype(np.float64)
    most = inputs.count("largest", largest if largest is not None else int(sizes.max()), at_least=1)
    if sizes.max() > most:
        raise ValueError(f"largest: is {most}, but a cluster has {int(sizes.max())} values")
    return np.bincount(places, weights=values) / most, sizes / most


def bounded_mean_sequence(
    u: Sequence[float] | Floats,
    confidence: float = 0.95,
    cluster: Sequence[Hashable] | None = None,
    largest: int | None = None,
) -> AnytimeInterval:
    """Return the interval of the mean of u, shape (n,), in 0..1, in the order the values came.

    The cases must have been run in random order, clusters whole; see `bounded_sequence`. Raises
    ValueError naming the field. Source: Waudby-Smith and Ramdas 2024, Theorem 3.
    """
    return bounded_sequence(u, cluster, largest, confidence).interval


def paired_delta_sequence(
    d: Sequence[float] | Floats,
    confidence: float = 0.95,
    cluster: Sequence[Hashable] | None = None,
    largest: int | None = None,
    running: bool = False,
) -> AnytimeInterval:
    """Return the interval of the mean difference d, shape (n,), in -1..1, in the order they came.

    The cases must have been run in random order, clusters whole; see `bounded_sequence`. Raises
    ValueError naming the field.
    """
    values = inputs.numbers("d", d, at_least=-1.0, at_most=1.0)
    inner = bounded_sequence((values + 1) / 2, cluster, largest, confidence, running).interval
    return AnytimeInterval(lo=2 * inner.lo - 1, hi=2 * inner.hi - 1)


def _stakes(values: Floats, alpha: float) -> Floats:
    t = np.arange(1, len(values) + 1)
    means = (0.5 + np.cumsum(values)) / (t + 1)
    spreads = (0.25 + np.cumsum((values - means) ** 2)) / (t + 1)
    # The stake may rest on the past only: the spread before the value is seen.
    before = np.append(0.25, spreads[:-1])
    result: Floats = np.sqrt(2 * np.log(2 / alpha) / (before * t * np.log(t + 1)))
    return result


def _first(log_wealths: Floats, alpha: float) -> int | None:
    found = np.flatnonzero(log_wealths >= -math.log(alpha))
    return int(found[0]) + 1 if found.size else None


def _lower(log_wealth_above: Callable[[float], float], alpha: float) -> float:
    limit = -math.log(alpha)
    if log_wealth_above(0.0) < limit:
        return 0.0
    return float(optimize.brentq(lambda m: log_wealth_above(m) - limit, 0.0, 1.0))
