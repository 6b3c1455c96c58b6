"""How often something goes wrong, as a share of conversations, and what was too rare to be seen."""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from releases.statistics import inputs
from releases.statistics.inputs import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureRate:
    """A rate in 0..1 with its two-sided interval."""

    rate: float
    lo: float
    hi: float
    n: int
    """Conversations, or units."""
    n_clusters: int
    """What fails independently of each other: partners, or the conversations themselves."""
    method: str
    """`exact` (Clopper-Pearson) for plain 0/1 without clusters, else `korn_graubard`."""
    blind_below: int
    """N: what happens in fewer than 1 in N conversations goes unseen among n more often than the
    interval may be wrong."""


def failure_rate(
    failures: Sequence[float] | Floats,
    cluster: Sequence[Hashable] | None = None,
    confidence: float = 0.95,
) -> FailureRate:
    """Return the mean of one failure share in 0..1 a conversation, shape (n,), with its interval.

    Exact for plain 0/1 without clusters. Otherwise Korn-Graubard: the exact interval at the
    effective size n / deff, shrunk by the t quantile of (clusters - 1) degrees of freedom.
    Raises ValueError naming the field.
    Sources: Clopper and Pearson 1934; Korn and Graubard, Survey Methodology 24 (1998).
    """
    values = inputs.numbers("failures", failures, at_least=0.0, at_most=1.0)
    level = inputs.confidence_level(confidence)
    if cluster is None and bool(np.all((values == 0) | (values == 1))):
        return _rate(values, np.ones(len(values)), level, method="exact")
    codes = inputs.cluster_codes("cluster", cluster, len(values))
    totals: Floats = np.bincount(codes, values).astype(np.float64)
    return _rate(totals, np.bincount(codes).astype(np.float64), level, method="korn_graubard")


def grouped_failure_rate(
    events: Sequence[float] | Floats, sizes: Sequence[float] | Floats, confidence: float = 0.95
) -> FailureRate:
    """As `failure_rate`, from events and units of each cluster, both of shape (clusters,).

    Fewer than five clusters say nothing about how much they differ: units then count as
    independent. Raises ValueError naming the field.
    """
    found = inputs.numbers("events", events, at_least=0.0)
    counted = inputs.numbers("sizes", sizes, at_least=1.0, at_most=LARGEST_CLUSTER)
    inputs.same_length("events", found, "sizes", len(counted))
    if bool(np.any(found > counted)):
        raise ValueError("events: must not exceed sizes")
    level = inputs.confidence_level(confidence)
    if len(counted) < MIN_CLUSTERS:
        one = np.array([found.sum()]), np.array([counted.sum()])
        return _rate(*one, level, method="exact")
    return _rate(found, counted, level, method="korn_graubard")


MIN_CLUSTERS = 5
LARGEST_CLUSTER = 1e9


def blind_below(n: Any, confidence: float = 0.95) -> int:
    """Return N such that a rate of 1 in N is seen at least once among n with that confidence.

    The exact form of the rule of three, N of about n / 3 at 95%: (1 - 1/N)^n = 1 - confidence.
    Source: Hanley and Lippman-Hand, JAMA 249 (1983).
    """
    n = inputs.count("n", n, at_least=1, at_most=10**15)
    return max(1, math.floor(-1 / math.expm1(math.log1p(-inputs.confidence_level(confidence)) / n)))


def _rate(totals: Floats, sizes: Floats, level: float, *, method: str) -> FailureRate:
    n, n_clusters = float(sizes.sum()), len(sizes)
    rate = min(1.0, max(0.0, float(totals.sum()) / n))
    effective = n if method == "exact" else _effective_size(totals, sizes, rate, level)
    lo, hi = _exact_ends(rate * effective, effective, level)
    return FailureRate(
        rate=rate,
        lo=min(lo, rate),
        hi=max(hi, rate),
        n=int(n),
        n_clusters=int(n) if method == "exact" else n_clusters,
        method=method,
        blind_below=blind_below(int(n), level),
    )


def _effective_size(totals: Floats, sizes: Floats, rate: float, level: float) -> float:
    """The independent conversations that say as much; never more than there are."""
    n, n_clusters = float(sizes.sum()), len(sizes)
    if n_clusters < 2:
        return 1.0
    residual = totals - rate * sizes
    variance = n_clusters / (n_clusters - 1) * float(np.sum(residual**2)) / n**2
    # Nothing seen, or all alike: the clusters show no difference to correct for.
    size = n if variance <= 0 or rate in (0.0, 1.0) else min(n, rate * (1 - rate) / variance)
    tail = (1 + level) / 2
    shrink = (stats.t.ppf(tail, n - 1) / stats.t.ppf(tail, n_clusters - 1)) ** 2
    return max(1.0, size * float(shrink))


def _exact_ends(events: float, n: float, level: float) -> tuple[float, float]:
    """Clopper and Pearson's interval; the counts may be fractions."""
    tail = (1 - level) / 2
    lo = 0.0 if events <= 0 else float(stats.beta.ppf(tail, events, n - events + 1))
    hi = 1.0 if events >= n else float(stats.beta.ppf(1 - tail, events + 1, n - events))
    return lo, hi
