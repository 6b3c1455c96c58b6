"""Blind pairwise votes on two checkpoints: their win score."""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from scipy import stats

from releases.statistics import inputs
from releases.statistics.cr2 import DELTA_GUARD, ClusteredMean, clustered_mean
from releases.statistics.inputs import Floats
from releases.statistics.verdicts import Verdict, verdict_of

MIN_VOTES = 30
MIN_RATERS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class WinScore:
    """Share of votes for the candidate, a tie counting half."""

    score: float
    """Mean vote in 0..1."""
    lo: float | None
    """Lower end; None with fewer than two raters or prompts."""
    hi: float | None
    """Upper end; None with fewer than two raters or prompts."""
    verdict: Verdict
    """Verdict on score - 0.5; insufficient below 30 votes or 5 raters."""


def win_score(
    y: Sequence[float] | Floats,
    rater: Sequence[Hashable] | None = None,
    prompt: Sequence[Hashable] | None = None,
    margin: float = 0.03,
    confidence: float = 0.95,
) -> WinScore:
    """Return the mean of votes y, shape (n,): 1 candidate, 0.5 tie, 0 baseline.

    With raters and prompts named the variance is clustered both ways. Keep one vote per rater and
    prompt. Raises ValueError naming the field. Source: Cameron, Gelbach and Miller 2011; CR2.
    """
    votes = inputs.choices("y", y, (0.0, 0.5, 1.0))
    limit = inputs.number("margin", margin, at_least=0.0, at_most=0.5)
    ways = []
    for field, labels in (("rater", rater), ("prompt", prompt)):
        if labels is not None:
            codes = inputs.cluster_codes(field, labels, len(votes)).tolist()
            ways.append(_clustered(votes, codes, confidence))
    single = _clustered(votes, None, confidence)
    lo, hi = _interval(ways or [single], single, confidence)
    n_raters = len(votes) if rater is None else ways[0].n_clusters
    verdict = Verdict.INSUFFICIENT
    if len(votes) >= MIN_VOTES and n_raters >= MIN_RATERS and lo is not None and hi is not None:
        verdict = verdict_of(lo - 0.5, hi - 0.5, limit)
    return WinScore(score=float(votes.mean()), lo=lo, hi=hi, verdict=verdict)


def _clustered(votes: Floats, labels: list[int] | None, confidence: float) -> ClusteredMean:
    return clustered_mean(2 * votes - 1, labels, guard=DELTA_GUARD, confidence=confidence)


def _interval(
    ways: list[ClusteredMean], single: ClusteredMean, confidence: float
) -> tuple[float | None, float | None]:
    known = [(way.se, way.dof, way.center) for way in ways if way.se and way.dof]
    if len(known) < len(ways) or not single.se:
        return None, None
    widest, _, center = max(known)
    both = sum(se**2 for se, _, _ in known) - single.se**2
    variance = max(widest**2, both) if len(known) == 2 else widest**2
    dof = min(dof for _, dof, _ in known)
    half = float(stats.t.ppf((1 + confidence) / 2, dof)) * math.sqrt(variance)
    return (center - half + 1) / 2, (center + half + 1) / 2
