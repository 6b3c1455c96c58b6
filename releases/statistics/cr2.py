"""Mean with a cluster-robust interval: CR2 variance, Bell-McCaffrey degrees of freedom."""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from releases.statistics import inputs
from releases.statistics.inputs import Codes, Floats

SPARSE_CLUSTERS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class SparseGuard:
    """Pseudo-clusters that keep the interval honest while nearly every case has the same value."""

    pseudo: tuple[float, float]
    """Values of the two pseudo-clusters: the ends of the scale."""
    rest: tuple[float, ...]
    """Values that count as "nothing happened" in a cluster."""


DELTA_GUARD = SparseGuard(pseudo=(-1.0, 1.0), rest=(0.0,))
SCORE_GUARD = SparseGuard(pseudo=(0.0, 1.0), rest=(0.0, 1.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusteredMean:
    """A mean over cases with its cluster-robust interval, in the unit of the values."""

    mean: float
    """Raw mean of the cases, the estimate to show."""
    center: float
    """Middle of the interval; differs from the mean only under the sparse guard."""
    se: float | None
    """Standard error; None with fewer than two clusters."""
    dof: float | None
    """Degrees of freedom of the t interval; None with fewer than two clusters."""
    lo: float | None
    """Lower end; None with fewer than two clusters."""
    hi: float | None
    """Upper end; None with fewer than two clusters."""
    n: int
    """Cases."""
    n_clusters: int
    """Clusters, pseudo-clusters not counted."""
    is_guarded: bool
    """Whether the sparse guard was added."""

    def p_above(self, value: float) -> float | None:
        """Return the one-sided p for "the mean exceeds value"; None without a standard error."""
        return None if self.se is None else float(stats.t.sf(self._t(value), self.dof))

    def p_below(self, value: float) -> float | None:
        """Return the one-sided p for "the mean is below value"; None without a standard error."""
        return None if self.se is None else float(stats.t.cdf(self._t(value), self.dof))

    def _t(self, value: float) -> float:
        gap = self.center - value
        if self.se:
            return gap / self.se
        return math.copysign(math.inf, gap) if gap else 0.0


def clustered_mean(
    values: Floats,
    cluster: Sequence[Hashable] | None = None,
    *,
    guard: SparseGuard | None = None,
    weights: Floats | None = None,
    confidence: float = 0.95,
) -> ClusteredMean:
    """Return the mean of values, shape (n,), with its CR2-t interval.

    Without clusters it is the one-sample t interval; with equal clusters Miller's clustered one.
    `weights` (n,) are case importances above 0. Raises ValueError naming the field.
    Source: Bell and McCaffrey 2002, in closed form for a mean; guard after Bonett and Price 2012.
    """
    level = inputs.confidence_level(confidence)
    codes = inputs.cluster_codes("cluster", cluster, len(values))
    weight = np.ones(len(values)) if weights is None else _checked(weights, len(values))
    sizes: Floats = np.bincount(codes, weight).astype(np.float64)
    totals: Floats = np.bincount(codes, weight * values).astype(np.float64)
    mean, n_clusters = float(totals.sum() / sizes.sum()), len(sizes)
    is_guarded = n_clusters > 1 and guard is not None and _is_sparse(values, codes, guard)
    if guard is not None and is_guarded:
        sizes, totals = _with_pseudo_clusters(sizes, totals, guard)
    center, se, dof = _robust(sizes, totals) if n_clusters > 1 else (mean, None, None)
    half = None if se is None else float(stats.t.ppf((1 + level) / 2, dof)) * se
    return ClusteredMean(
        mean=mean,
        center=center,
        se=se,
        dof=dof,
        lo=None if half is None else center - half,
        hi=None if half is None else center + half,
        n=len(values),
        n_clusters=n_clusters,
        is_guarded=is_guarded,
    )


def _checked(weights: Floats, n: int) -> Floats:
    inputs.same_length("weights", weights, "values", n)
    checked = inputs.numbers("weights", weights, at_least=0.0)
    if not np.all(checked > 0):
        raise ValueError("weights: must all be above 0")
    return checked


def _robust(sizes: Floats, totals: Floats) -> tuple[float, float, float]:
    n = sizes.sum()
    center = totals.sum() / n
    share = sizes / n
    residual = totals - sizes * center
    se = np.sqrt(np.sum(residual**2 / (1 - share))) / n
    w = share**2 / (1 - share)
    cross = w.sum() ** 2 - np.sum(w**2)
    return float(center), float(se), float(1 / (np.sum(share**2) + cross))


def _is_sparse(values: Floats, codes: Codes, guard: SparseGuard) -> bool:
    n_clusters = int(codes.max()) + 1
    limit = min(SPARSE_CLUSTERS, n_clusters / 2)
    if any(len(np.unique(codes[values != rest])) < limit for rest in guard.rest):
        return True
    # Equal cluster means leave no residual: a plain interval would have no width.
    means = np.bincount(codes, values) / np.bincount(codes)
    return bool(np.ptp(means) <= 1e-12)


def _with_pseudo_clusters(
    sizes: Floats, totals: Floats, guard: SparseGuard
) -> tuple[Floats, Floats]:
    size = max(1.0, float(sizes.mean()))
    return np.append(sizes, [size, size]), np.append(totals, size * np.array(guard.pseudo))
