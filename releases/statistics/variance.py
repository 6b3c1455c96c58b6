"""Where the variance of a paired comparison comes from: the cases or the sampling."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from releases.statistics import inputs
from releases.statistics.inputs import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class VarianceComponents:
    """Parts of Var(d) = omega2 + s2_candidate / k_candidate + s2_baseline / k_baseline."""

    s2_candidate: float | None
    """Variance between the candidate's samples of a case; None without a repeated case."""
    s2_baseline: float | None
    """Variance between the baseline's samples of a case; None without a repeated case."""
    omega2: float | None
    """Variance of the true difference between cases, at least 0; None when a part is unknown."""


def variance_components(
    candidate: Sequence[Sequence[float]], baseline: Sequence[Sequence[float]]
) -> VarianceComponents:
    """Split the variance of the per-case differences, from lists of scores in 0..1 a case.

    A case with one sample says nothing about sampling variance and is left out of that part.
    Raises ValueError naming the field. Source: Miller 2024, "Adding error bars to evals".
    """
    ours = inputs.samples("candidate", candidate)
    theirs = inputs.samples("baseline", baseline)
    inputs.same_length("baseline", theirs, "candidate", len(ours))
    s2_ours, s2_theirs = _within(ours), _within(theirs)
    return VarianceComponents(
        s2_candidate=s2_ours,
        s2_baseline=s2_theirs,
        omega2=_between(ours, theirs, s2_ours, s2_theirs),
    )


def _within(cases: list[Floats]) -> float | None:
    repeated = [float(case.var(ddof=1)) for case in cases if case.size > 1]
    return float(np.mean(repeated)) if repeated else None


def _between(
    ours: list[Floats], theirs: list[Floats], s2_ours: float | None, s2_theirs: float | None
) -> float | None:
    if s2_ours is None or s2_theirs is None or len(ours) < 2:
        return None
    means = np.array([a.mean() - b.mean() for a, b in zip(ours, theirs, strict=True)])
    noise = [s2_ours / a.size + s2_theirs / b.size for a, b in zip(ours, theirs, strict=True)]
    return max(0.0, float(means.var(ddof=1) - np.mean(noise)))
