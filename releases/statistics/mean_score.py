"""Mean score of one checkpoint with its interval."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from releases.statistics import inputs
from releases.statistics.cr2 import SCORE_GUARD, clustered_mean
from releases.statistics.inputs import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanScore:
    """A mean score in 0..1 with its interval."""

    mean: float
    """Mean over the cases."""
    lo: float | None
    """Lower end; None with fewer than two clusters of graded scores."""
    hi: float | None
    """Upper end; None with fewer than two clusters of graded scores."""
    method: str
    """`wilson` for plain pass/fail without clusters, `cr2` otherwise."""


def mean_score(
    scores: Sequence[float] | Floats,
    cluster: Sequence[Hashable] | None = None,
    confidence: float = 0.95,
) -> MeanScore:
    """Return the mean of one score in 0..1 a case, shape (n,), with its interval.

    Wilson for plain 0/1 without clusters; CR2-t otherwise, with the sparse guard (one
    pseudo-cluster of all 0 and one of all 1) while nearly every cluster sits at one end of the
    scale, and both ends kept within 0..1. Raises ValueError naming the field.
    """
    values = inputs.numbers("scores", scores, at_least=0.0, at_most=1.0)
    if cluster is None and np.all((values == 0) | (values == 1)):
        lo, hi = wilson(int(values.sum()), len(values), confidence)
        return MeanScore(mean=float(values.mean()), lo=lo, hi=hi, method="wilson")
    result = clustered_mean(values, cluster, guard=SCORE_GUARD, confidence=confidence)
    ends = (_within_scale(result.lo), _within_scale(result.hi))
    return MeanScore(mean=result.mean, lo=ends[0], hi=ends[1], method="cr2")


def _within_scale(end: float | None) -> float | None:
    """No mean lies outside of the scale, so nothing is lost when an interval ends with it."""
    return None if end is None else min(1.0, max(0.0, end))


def wilson(passed: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return Wilson's score interval for passed out of n cases, both ends in 0..1.

    Raises ValueError naming the field. Source: Wilson 1927.
    """
    n = inputs.count("n", n, at_least=1)
    passed = inputs.count("passed", passed)
    if passed > n:
        raise ValueError(f"passed: must not exceed n ({n}), got {passed}")
    z2 = float(stats.norm.ppf((1 + inputs.confidence_level(confidence)) / 2)) ** 2
    share = passed / n
    center = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = np.sqrt(z2 * share * (1 - share) / n + z2**2 / (4 * n**2)) / (1 + z2 / n)
    # At the ends of the scale the bound is the end itself: rounding must not fall short of it.
    lo = 0.0 if passed == 0 else max(0.0, float(center - half))
    return lo, 1.0 if passed == n else min(1.0, float(center + half))
