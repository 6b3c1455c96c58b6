"""Paired cases of one node turned into differences, and their interval by the fitting method."""

import enum
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from releases.statistics import inputs, missing, tango
from releases.statistics.betting_sequence import bounded_sequence
from releases.statistics.cr2 import DELTA_GUARD, ClusteredMean, clustered_mean
from releases.statistics.inputs import Floats


class Method(enum.StrEnum):
    """How an interval of a paired difference was made."""

    TANGO = "tango"
    """Score interval: one pass/fail sample a case and arm, no clusters."""
    CR2 = "cr2"
    """Cluster-robust t interval with the sparse guard: everything else."""
    ANYTIME = "anytime"
    """Betting interval of a run that was stopped by looking at it: valid at every look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedCase:
    """One case as both arms answered it; an arm without samples lost them to infrastructure."""

    case_id: str
    """Identifies the case within the node."""
    candidate: tuple[float, ...]
    """The candidate's scores in 0..1, one a sample; empty when missing."""
    baseline: tuple[float, ...]
    """The baseline's scores in 0..1, one a sample; empty when missing."""
    cluster: str | None = None
    """Document, conversation or template the case belongs to; None for a case of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedEstimate:
    """Candidate minus baseline with interval and one-sided p-values, in score units."""

    method: Method | None
    """How the interval was made; None without a case."""
    n: int
    """Cases."""
    n_clusters: int
    """Clusters; equal to the cases when none are named."""
    delta: float | None
    """Raw mean difference; None without a case."""
    se: float | None
    """Cluster-robust standard error with the sparse guard; None with fewer than two clusters."""
    lo: float | None
    """Lower end of the interval."""
    hi: float | None
    """Upper end of the interval."""
    p_better: float | None
    """For "the difference is above 0"."""
    p_noninferior: float | None
    """For "the difference is above minus the margin"."""
    p_worse: float | None
    """For "the difference is below 0"."""
    p_regression: float | None
    """For "the difference is below minus the margin"."""


NOTHING = PairedEstimate(
    method=None,
    n=0,
    n_clusters=0,
    delta=None,
    se=None,
    lo=None,
    hi=None,
    p_better=None,
    p_noninferior=None,
    p_worse=None,
    p_regression=None,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseTable:
    """Scores of a node's cases, averaged within the case."""

    candidate: Floats
    """Mean score a case, shape (n,); NaN when missing."""
    baseline: Floats
    """Mean score a case, shape (n,); NaN when missing."""
    clusters: tuple[Hashable, ...] | None
    """Label a case; None when no case names one."""
    is_plain: bool
    """Whether every arm gave one pass/fail sample and no case names a cluster."""
    largest: int | None = None
    """Of a run that was stopped by looking at it: the cases of the whole suite's largest cluster.
    The cases then come in the random order they were drawn in, clusters whole. None: of any
    other."""

    def is_observed(self) -> np.ndarray:
        """Return which cases both arms answered, shape (n,)."""
        return ~(np.isnan(self.candidate) | np.isnan(self.baseline))

    def means(self) -> tuple[float | None, float | None]:
        """Return both arms' means over the cases that both answered; None without one."""
        kept = self.is_observed()
        if not kept.any():
            return None, None
        return float(self.candidate[kept].mean()), float(self.baseline[kept].mean())

    def observed_deltas(self) -> tuple[Floats, tuple[Hashable, ...] | None]:
        """Return the differences of the cases both arms answered, and their clusters."""
        kept = self.is_observed()
        return (self.candidate - self.baseline)[kept], self._clusters(kept)

    def imputed_deltas(self) -> tuple[Floats, Floats, tuple[Hashable, ...] | None]:
        """Return all differences with missing scores worst and best, and their clusters."""
        if self.largest is not None:
            return *self._imputed_in_order(), self.clusters
        no_ours, no_theirs, no_score = self._missing()
        lows, highs = missing.missing_deltas(
            self.baseline[no_ours], self.candidate[no_theirs], int(np.sum(no_score))
        )
        d, clusters = self.observed_deltas()
        if clusters is not None:
            for group in (no_ours, no_theirs, no_score):
                clusters += self._clusters(group) or ()
        return np.append(d, lows), np.append(d, highs), clusters

    def _imputed_in_order(self) -> tuple[Floats, Floats]:
        ours, theirs = self.candidate, self.baseline
        worst = np.nan_to_num(ours, nan=0.0) - np.nan_to_num(theirs, nan=1.0)
        best = np.nan_to_num(ours, nan=1.0) - np.nan_to_num(theirs, nan=0.0)
        return worst, best

    def n_missing(self) -> tuple[int, int]:
        """Return the cases that only the candidate and that only the baseline is missing."""
        no_ours, no_theirs, _ = self._missing()
        return int(np.sum(no_ours)), int(np.sum(no_theirs))

    def _missing(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        no_ours, no_theirs = np.isnan(self.candidate), np.isnan(self.baseline)
        return no_ours & ~no_theirs, no_theirs & ~no_ours, no_ours & no_theirs

    def _clusters(self, kept: np.ndarray) -> tuple[Hashable, ...] | None:
        if self.clusters is None:
            return None
        return tuple(self.clusters[i] for i in np.flatnonzero(kept))


def case_table(node: str, cases: Sequence[PairedCase], largest: int | None = None) -> CaseTable:
    """Average each case's samples; ValueError naming node, case and field when one is wrong.

    `largest` is that of a run which was stopped by looking at it, whose order `cases` have.
    """
    seen: set[str] = set()
    for case in cases:
        if case.case_id in seen:
            raise ValueError(f"case_id: {case.case_id!r} occurs twice in node {node!r}")
        seen.add(case.case_id)
    ours = [_scores(node, case, "candidate", case.candidate) for case in cases]
    theirs = [_scores(node, case, "baseline", case.baseline) for case in cases]
    has_clusters = any(case.cluster is not None for case in cases)
    return CaseTable(
        candidate=_means(ours),
        baseline=_means(theirs),
        clusters=tuple(case.cluster for case in cases) if has_clusters else None,
        is_plain=not has_clusters and all(map(_is_plain, ours + theirs)),
        largest=largest,
    )


def paired_estimate(
    d: Floats,
    clusters: Sequence[Hashable] | None,
    *,
    is_plain: bool,
    margin: float,
    confidence: float,
    largest: int | None = None,
) -> PairedEstimate:
    """Return the estimate from differences of shape (n,): Tango's when plain, else CR2's.

    Without a difference every number is None. `margin` and the differences are in score units.
    With `largest` they are those of a stopped run in their order: the interval is anytime-valid.
    """
    if len(d) == 0:
        return NOTHING
    robust = clustered_mean(d, clusters, guard=DELTA_GUARD, confidence=confidence)
    if largest is not None:
        return _anytime(robust, d, clusters, largest, margin, confidence)
    if is_plain:
        return _by_tango(robust, d, margin, confidence)
    return PairedEstimate(
        method=Method.CR2,
        n=robust.n,
        n_clusters=robust.n_clusters,
        delta=robust.mean,
        se=robust.se,
        lo=robust.lo,
        hi=robust.hi,
        p_better=robust.p_above(0.0),
        p_noninferior=robust.p_above(-margin),
        p_worse=robust.p_below(0.0),
        p_regression=robust.p_below(-margin),
    )


def _by_tango(robust: ClusteredMean, d: Floats, margin: float, confidence: float) -> PairedEstimate:
    b, c, n = int(np.sum(d > 0)), int(np.sum(d < 0)), len(d)
    lo, hi = tango.tango_interval(b, c, n, confidence)
    return PairedEstimate(
        method=Method.TANGO,
        n=n,
        n_clusters=n,
        delta=robust.mean,
        se=robust.se,
        lo=lo,
        hi=hi,
        p_better=tango.tango_p_above(b, c, n, 0.0),
        p_noninferior=tango.tango_p_above(b, c, n, -margin),
        p_worse=tango.tango_p_below(b, c, n, 0.0),
        p_regression=tango.tango_p_below(b, c, n, -margin),
    )


def _anytime(
    robust: ClusteredMean,
    d: Floats,
    clusters: Sequence[Hashable] | None,
    largest: int,
    margin: float,
    confidence: float,
) -> PairedEstimate:
    """By hedged betting over every look; its p-values are always valid and one-sided."""
    found = bounded_sequence((d + 1) / 2, clusters, largest, confidence, running=True)
    ends, middle, edge = found.interval, 0.5, (1 - margin) / 2
    lo, hi = 2 * ends.lo - 1, 2 * ends.hi - 1
    return PairedEstimate(
        method=Method.ANYTIME,
        n=robust.n,
        n_clusters=robust.n_clusters,
        # What earlier looks excluded is no estimate any more.
        delta=min(max(robust.mean, lo), hi) if lo <= hi else robust.mean,
        se=robust.se,
        lo=lo,
        hi=hi,
        # Each of the two bets has half of the wealth: what one of them alone proves is twice that.
        p_better=found.p_above(middle) / 2,
        p_noninferior=found.p_above(edge) / 2,
        p_worse=found.p_below(middle) / 2,
        p_regression=found.p_below(edge) / 2,
    )


def _scores(node: str, case: PairedCase, field: str, scores: tuple[float, ...]) -> Floats:
    try:
        return inputs.numbers(field, scores, at_least=0.0, at_most=1.0, min_count=0)
    except ValueError as error:
        raise ValueError(f"{error} (case {case.case_id!r} of node {node!r})") from error


def _means(rows: list[Floats]) -> Floats:
    return np.array([row.mean() if row.size else np.nan for row in rows], np.float64)


def _is_plain(row: Floats) -> bool:
    return row.size == 0 or (row.size == 1 and row[0] in (0.0, 1.0))
