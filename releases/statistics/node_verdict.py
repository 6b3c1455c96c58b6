"""Verdict of one node on its own, with what missing and unshared cases take away from it."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from releases.statistics import inputs
from releases.statistics.inputs import Floats
from releases.statistics.missing import uneven_missing_p
from releases.statistics.paired_cases import CaseTable, PairedEstimate, paired_estimate
from releases.statistics.verdicts import (
    MIN_SHARED_SHARE,
    PASSING,
    Verdict,
    is_sufficient,
    verdict_of,
)

ROOT = ""
MAX_MISSING_SHARE = 0.05
UNEVEN_P = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedNode:
    """One node judged on its own, before Holm."""

    node: str
    """Label of the node; empty for the root."""
    table: CaseTable
    """Scores of the cases both runs share."""
    n_unshared: int
    """Cases that only one of the two runs had."""
    estimate: PairedEstimate
    """The difference with its interval, over the cases that both arms answered."""
    verdict: Verdict
    """Verdict of the interval, the missing and the unshared cases."""
    doubt: str | None
    """Why the verdict is weaker than the interval, as a clause; None when it is not."""

    def is_eligible_slice(self) -> bool:
        """Return whether Holm covers the node: by size and kind, never by result."""
        is_slice = self.node != ROOT and self.verdict != Verdict.INVALID
        return is_slice and is_sufficient(self.estimate.n, self.estimate.n_clusters)


def judge_node(
    node: str, table: CaseTable, n_unshared: int, margin: float, confidence: float
) -> JudgedNode:
    """Judge one node against the margin; ValueError naming the field when the count is wrong."""
    unshared = inputs.count("n_unshared", n_unshared)
    d, clusters = table.observed_deltas()
    estimate = _estimate(table, d, clusters, margin, confidence)
    verdict, doubt = _verdict_with_missing(table, estimate, margin, confidence)
    shared = len(table.candidate)
    if unshared and shared < MIN_SHARED_SHARE * (shared + unshared):
        verdict = Verdict.INVALID
        doubt = f"only {shared} of {shared + unshared} cases are in both runs"
    return JudgedNode(
        node=node,
        table=table,
        n_unshared=unshared,
        estimate=estimate,
        verdict=verdict,
        doubt=doubt,
    )


def _estimate(
    table: CaseTable,
    d: Floats,
    clusters: Sequence[Hashable] | None,
    margin: float,
    confidence: float,
) -> PairedEstimate:
    return paired_estimate(
        d,
        clusters,
        is_plain=table.is_plain,
        margin=margin,
        confidence=confidence,
        largest=table.largest,
    )


def _verdict_with_missing(
    table: CaseTable, estimate: PairedEstimate, margin: float, confidence: float
) -> tuple[Verdict, str | None]:
    if _is_crossed(estimate):
        return Verdict.INVALID, "the difference changed while the run went on"
    verdict = _plain_verdict(estimate, margin)
    doubt = _doubt_of_missing(table)
    n_missing = len(table.candidate) - estimate.n
    if verdict in (Verdict.INSUFFICIENT, Verdict.INCONCLUSIVE) or not n_missing:
        return verdict, None
    worst, best, clusters = table.imputed_deltas()
    for d in (worst, best):
        imputed = _estimate(table, d, clusters, margin, confidence)
        if _is_crossed(imputed) or _plain_verdict(imputed, margin) != verdict:
            return Verdict.INCONCLUSIVE, doubt or f"{_missing_words(n_missing)} could change it"
    if doubt and verdict in PASSING:
        return Verdict.INCONCLUSIVE, doubt
    return verdict, doubt


def _is_crossed(estimate: PairedEstimate) -> bool:
    """Whether looks at different times exclude each other, so that no one difference fits all."""
    return estimate.lo is not None and estimate.hi is not None and estimate.lo > estimate.hi


def _plain_verdict(estimate: PairedEstimate, margin: float) -> Verdict:
    enough = is_sufficient(estimate.n, estimate.n_clusters)
    if not enough or estimate.lo is None or estimate.hi is None:
        return Verdict.INSUFFICIENT
    return verdict_of(estimate.lo, estimate.hi, margin)


def _doubt_of_missing(table: CaseTable) -> str | None:
    n, n_missing = len(table.candidate), int(np.sum(~table.is_observed()))
    if n_missing > MAX_MISSING_SHARE * n:
        return f"{_missing_words(n_missing)} of {n} ({100 * n_missing / n:.1f}%)"
    only_candidate, only_baseline = table.n_missing()
    p = uneven_missing_p(only_candidate, only_baseline)
    if p < UNEVEN_P:
        more = "candidate" if only_candidate > only_baseline else "baseline"
        return f"the {more} is missing more cases than the other arm (p {p:.2g})"
    return None


def _missing_words(n_missing: int) -> str:
    return "1 missing case" if n_missing == 1 else f"{n_missing} missing cases"
