"""A judge's mean or difference with the interval that its own errors leave: clusters and all.

From human labels on some of the judged cases (prediction-powered), or from error rates measured on
other cases (Rogan-Gladen). Neither interval is ever narrower than the one of perfect labels.
"""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from releases.statistics import inputs
from releases.statistics.cr2 import (
    DELTA_GUARD,
    SCORE_GUARD,
    SPARSE_CLUSTERS,
    ClusteredMean,
    SparseGuard,
    clustered_mean,
)
from releases.statistics.inputs import Codes, Floats
from releases.statistics.judge_correction import prediction_weight, rogan_gladen
from releases.statistics.mean_score import mean_score


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What people would say on average, in the unit of the values, with one-sided tails."""

    est: float
    """Estimate, on the scale."""
    lo: float
    """Lower end, on the scale."""
    hi: float
    """Upper end, on the scale."""
    se: float
    """Standard error of the estimate, the judge's errors included."""
    dof: float | None
    """Degrees of freedom of the t interval; None: normal."""
    lam: float | None
    """Weight given to the judge, 0..1; None where labels of other cases corrected it."""
    n_effective: float | None
    """Human labels that the estimate is worth; None when it is not known."""

    def p_above(self, value: float) -> float:
        """Return the one-sided p for "what people would say exceeds value"."""
        return 1 - self.p_below(value)

    def p_below(self, value: float) -> float:
        """Return the one-sided p for "what people would say is below value"."""
        t = (value - self.est) / self.se if self.se else math.copysign(math.inf, value - self.est)
        found = stats.norm.sf(t) if self.dof is None else stats.t.sf(t, self.dof)
        return float(found)


def judged_mean(
    human: Sequence[float] | Floats,
    judge: Sequence[float] | Floats,
    judge_rest: Sequence[float] | Floats = (),
    cluster: Sequence[Hashable] | None = None,
    cluster_rest: Sequence[Hashable] | None = None,
    confidence: float = 0.95,
) -> Judged:
    """Return the mean score that people would give, from n labelled and N further judged cases.

    `human` and `judge` (n,) in 0..1 are on the same randomly drawn cases, `judge_rest` (N,) on the
    others; `cluster` (n,) and `cluster_rest` (N,) name clusters, of which each is drawn whole.
    While the judge errs on nearly no labelled case, two pseudo-clusters stand for the errors not
    seen yet. Raises ValueError naming the field. Source: PPI++ with CR2 variances.
    """
    given = _given(human, judge, judge_rest, cluster, cluster_rest, 0.0)
    return _judged(given, SCORE_GUARD, confidence)


def judged_delta(
    human: Sequence[float] | Floats,
    judge: Sequence[float] | Floats,
    judge_rest: Sequence[float] | Floats = (),
    cluster: Sequence[Hashable] | None = None,
    cluster_rest: Sequence[Hashable] | None = None,
    confidence: float = 0.95,
) -> Judged:
    """Return `judged_mean` of paired differences, candidate minus baseline, each in -1..1.

    Both arms of a labelled case are labelled. Raises ValueError naming the field.
    """
    given = _given(human, judge, judge_rest, cluster, cluster_rest, -1.0)
    return _judged(given, DELTA_GUARD, confidence)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Given:
    """Checked arrays: n labelled cases, N others, and the lower end of their scale."""

    y: Floats
    f: Floats
    rest: Floats
    codes: Codes
    codes_rest: Codes
    is_clustered: bool
    least: float


def _given(
    human: Sequence[float] | Floats,
    judge: Sequence[float] | Floats,
    judge_rest: Sequence[float] | Floats,
    cluster: Sequence[Hashable] | None,
    cluster_rest: Sequence[Hashable] | None,
    least: float,
) -> _Given:
    y = inputs.numbers("human", human, at_least=least, at_most=1.0, min_count=2)
    f = inputs.numbers("judge", judge, at_least=least, at_most=1.0)
    rest = inputs.numbers("judge_rest", judge_rest, at_least=least, at_most=1.0, min_count=0)
    inputs.same_length("judge", f, "human", len(y))
    given = _Given(
        y=y,
        f=f,
        rest=rest,
        codes=inputs.cluster_codes("cluster", cluster, len(y)),
        codes_rest=inputs.cluster_codes("cluster_rest", cluster_rest, len(rest)),
        is_clustered=cluster is not None or cluster_rest is not None,
        least=least,
    )
    if len(set(given.codes.tolist())) < 2:
        raise ValueError("cluster: needs labelled cases of at least two clusters")
    return given


def _judged(given: _Given, guard: SparseGuard, confidence: float) -> Judged:
    level = inputs.confidence_level(confidence)
    has_rest = len(set(given.codes_rest.tolist())) > 1
    weight = prediction_weight(given.y, given.f, given.rest) if has_rest else 0.0
    part = _rectifier(given, weight, guard)
    est, se = part.mean, part.se or 0.0
    if weight:
        others = clustered_mean(given.rest, given.codes_rest.tolist())
        est += weight * others.mean
        se = math.hypot(se, weight * (others.se or 0.0))
    half = float(stats.t.ppf((1 + level) / 2, part.dof)) * se + abs(part.center - part.mean)
    half = max(half, _perfect_half(given, guard, level))
    plain = clustered_mean(given.y, given.codes.tolist())
    worth = len(given.y) * (plain.se / se) ** 2 if plain.se and se else None
    return _on_scale(est, half, half, se, part.dof, given.least, lam=weight, n_effective=worth)


def borrowed_mean(
    judge: Sequence[float] | Floats,
    true_pos: int,
    positives: int,
    true_neg: int,
    negatives: int,
    cluster: Sequence[Hashable] | None = None,
    confidence: float = 0.95,
) -> Judged:
    """Return the pass rate that people would give, from a judge's passes in 0..1, shape (n,).

    Its error rates come from labels on other cases and are taken to hold here. Clusters and repeats
    shrink the count to the one of equal information. Raises ValueError naming the field, also when
    the judge is no better than chance. Source: Rogan and Gladen 1978, Lang and Reiczigel 2014.
    """
    scores = inputs.numbers("judge", judge, at_least=0.0, at_most=1.0, min_count=2)
    level = inputs.confidence_level(confidence)
    mean, n = float(scores.mean()), _plain_count(scores, cluster)
    found = rogan_gladen(round(mean * n), n, true_pos, positives, true_neg, negatives, level)
    if found.est is None:
        raise ValueError("true_pos: the judge is no better than chance")
    raw = mean_score(scores, cluster, level)
    half = 0.0 if raw.lo is None or raw.hi is None else (raw.hi - raw.lo) / 2
    est = min(max(found.est, found.lo), found.hi)
    below, above = max(est - found.lo, min(half, est)), max(found.hi - est, min(half, 1 - est))
    se = max(below, above) / float(stats.norm.ppf((1 + level) / 2))
    return _on_scale(est, below, above, se, None, 0.0)


def borrowed_delta(
    judge: Sequence[float] | Floats,
    true_pos: int,
    positives: int,
    true_neg: int,
    negatives: int,
    cluster: Sequence[Hashable] | None = None,
    confidence: float = 0.95,
) -> Judged:
    """Return the difference that people would see, from a judge's paired differences (n,).

    A judge that errs alike in both arms shrinks every difference by sensitivity + specificity - 1.
    Raises ValueError naming the field, also when that is not above 0. Source: delta method on
    Rogan-Gladen with Lang and Reiczigel's added counts.
    """
    d = inputs.numbers("judge", judge, at_least=-1.0, at_most=1.0, min_count=2)
    level = inputs.confidence_level(confidence)
    gain, variance = _gain(true_pos, positives, true_neg, negatives)
    raw = clustered_mean(d, cluster, guard=DELTA_GUARD)
    if raw.se is None or raw.dof is None:
        raise ValueError("cluster: needs judged cases of at least two clusters")
    est = raw.mean / gain
    se = math.hypot(raw.se, est * math.sqrt(variance)) / gain
    half = float(stats.t.ppf((1 + level) / 2, raw.dof)) * se + abs(raw.center - raw.mean) / gain
    return _on_scale(est, half, half, se, raw.dof, -1.0)


def _gain(true_pos: int, positives: int, true_neg: int, negatives: int) -> tuple[float, float]:
    """Sensitivity + specificity - 1 and its variance, by two added counts each."""
    total, variance = -1.0, 0.0
    labels = (
        ("true_pos", true_pos, "positives", positives),
        ("true_neg", true_neg, "negatives", negatives),
    )
    for name, right, kind, of in labels:
        n, k = inputs.count(kind, of, at_least=1), inputs.count(name, right)
        if k > n:
            raise ValueError(f"{name}: must not exceed {kind} ({n}), got {k}")
        share = (k + 1) / (n + 2)
        total += share
        variance += share * (1 - share) / (n + 2)
    if total <= 0:
        raise ValueError("true_pos: the judge is no better than chance")
    return total, variance


def _rectifier(given: _Given, weight: float, guard: SparseGuard) -> ClusteredMean:
    """Mean of y - weight f; while y = f nearly everywhere, with one error each way on top."""
    values = given.y - weight * given.f
    labels = given.codes.tolist()
    if weight == 0:
        return clustered_mean(values, labels, guard=guard)
    n_clusters = int(given.codes.max()) + 1
    n_wrong = len(np.unique(given.codes[np.abs(given.y - given.f) > 1e-12]))
    if n_wrong >= min(SPARSE_CLUSTERS, n_clusters / 2):
        return clustered_mean(values, labels)
    size, mean = len(values) / n_clusters, float(values.mean())
    return clustered_mean(
        np.append(values, [mean - 1, mean + 1]),
        [*labels, n_clusters, n_clusters + 1],
        weights=np.append(np.ones(len(values)), [size, size]),
    )


def _perfect_half(given: _Given, guard: SparseGuard, level: float) -> float:
    """Half the width that the same scores would have if each were right."""
    labels = [f"a{code}" for code in given.codes] + [f"b{code}" for code in given.codes_rest]
    scores = np.append(given.f, given.rest)
    if given.least < 0:
        found = clustered_mean(scores, labels, guard=guard, confidence=level)
        lo, hi = found.lo, found.hi
    else:
        raw = mean_score(scores, labels if given.is_clustered else None, level)
        lo, hi = raw.lo, raw.hi
    return 0.0 if lo is None or hi is None else (hi - lo) / 2


def _plain_count(scores: Floats, cluster: Sequence[Hashable] | None) -> int:
    """Independent passes and fails that would tell as much as these scores."""
    mean = float(scores.mean())
    plain = mean * (1 - mean)
    found = clustered_mean(scores, cluster, guard=SCORE_GUARD)
    if not found.se or not plain or cluster is None:
        return len(scores)
    return max(1, min(len(scores), int(plain / found.se**2)))


def _on_scale(
    est: float,
    below: float,
    above: float,
    se: float,
    dof: float | None,
    least: float,
    lam: float | None = None,
    n_effective: float | None = None,
) -> Judged:
    return Judged(
        est=min(1.0, max(least, est)),
        lo=min(1.0, max(least, est - below)),
        hi=min(1.0, max(least, est + above)),
        se=se,
        dof=dof,
        lam=lam,
        n_effective=n_effective,
    )
