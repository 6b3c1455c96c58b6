"""Paired comparison on the same cases: any score, any number of samples, clustered or not."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from releases.statistics import inputs
from releases.statistics.cr2 import DELTA_GUARD, ClusteredMean, clustered_mean
from releases.statistics.inputs import Floats
from releases.statistics.verdicts import Verdict, is_sufficient, verdict_of


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedDelta:
    """Candidate minus baseline per case, averaged, with its CR2-t interval in score units."""

    delta: float
    """Raw mean difference."""
    se: float | None
    """Cluster-robust standard error; None with fewer than two clusters."""
    dof: float | None
    """Bell-McCaffrey degrees of freedom; None with fewer than two clusters."""
    lo: float | None
    """Lower end; None with fewer than two clusters."""
    hi: float | None
    """Upper end; None with fewer than two clusters."""
    p: float | None
    """Two-sided p for "there is a difference"; None with fewer than two clusters."""
    verdict: Verdict
    """Verdict against the margin; insufficient below 10 cases or 5 clusters."""


def paired_delta(
    d: Sequence[float] | Floats,
    cluster: Sequence[Hashable] | None = None,
    margin: float = 0.0,
    confidence: float = 0.95,
) -> PairedDelta:
    """Compare by the differences d, shape (n,), each in -1..1 and positive when better.

    `cluster` gives one label a case, None for a case of its own. While the differences are nearly
    all zero the sparse guard widens the interval. Raises ValueError naming the field.
    Source: CR2 with Bell-McCaffrey degrees of freedom, closed form for a mean.
    """
    values = inputs.numbers("d", d, at_least=-1.0, at_most=1.0)
    limit = inputs.number("margin", margin, at_least=0.0, at_most=1.0)
    result = clustered_mean(values, cluster, guard=DELTA_GUARD, confidence=confidence)
    return PairedDelta(
        delta=result.mean,
        se=result.se,
        dof=result.dof,
        lo=result.lo,
        hi=result.hi,
        p=_two_sided(result),
        verdict=_verdict(result, limit),
    )


def paired_repeats(
    candidate: Sequence[Sequence[float]],
    baseline: Sequence[Sequence[float]],
    cluster: Sequence[Hashable] | None = None,
    margin: float = 0.0,
    confidence: float = 0.95,
) -> PairedDelta:
    """Compare by samples: one list of scores in 0..1 a case and arm, averaged within the case.

    The arms may hold different numbers of samples. Raises ValueError naming the field.
    """
    ours = inputs.samples("candidate", candidate)
    theirs = inputs.samples("baseline", baseline)
    inputs.same_length("baseline", theirs, "candidate", len(ours))
    means = [float(a.mean() - b.mean()) for a, b in zip(ours, theirs, strict=True)]
    return paired_delta(np.array(means), cluster, margin, confidence)


def _two_sided(result: ClusteredMean) -> float | None:
    if not result.se or result.dof is None:
        return None
    return float(2 * stats.t.sf(abs(result.center) / result.se, result.dof))


def _verdict(result: ClusteredMean, margin: float) -> Verdict:
    if result.lo is None or result.hi is None or not is_sufficient(result.n, result.n_clusters):
        return Verdict.INSUFFICIENT
    return verdict_of(result.lo, result.hi, margin)
