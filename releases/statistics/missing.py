"""How far scores lost to the infrastructure could move a comparison."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from releases.statistics import inputs
from releases.statistics.inputs import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingBounds:
    """The mean difference when every missing score is worst or best for the candidate."""

    lo: float
    """Mean difference with missing scores at their worst for the candidate."""
    hi: float
    """Mean difference with missing scores at their best for the candidate."""


def missing_bounds(
    d_observed: Sequence[float] | Floats,
    baseline_scores_where_candidate_missing: Sequence[float] | Floats = (),
    candidate_scores_where_baseline_missing: Sequence[float] | Floats = (),
    missing_both: int = 0,
) -> MissingBounds:
    """Bound the mean difference over all cases, scores in 0..1 and differences in -1..1.

    Only infrastructure failures are missing; a refusal or time-out of the checkpoint is a score.
    Raises ValueError naming the field.
    """
    observed = inputs.numbers("d_observed", d_observed, at_least=-1.0, at_most=1.0, min_count=0)
    lows, highs = missing_deltas(
        baseline_scores_where_candidate_missing,
        candidate_scores_where_baseline_missing,
        missing_both,
    )
    if len(observed) + len(lows) == 0:
        raise ValueError("d_observed: needs at least one case, observed or missing")
    return MissingBounds(
        lo=float(np.append(observed, lows).mean()), hi=float(np.append(observed, highs).mean())
    )


def missing_deltas(
    baseline_scores_where_candidate_missing: Sequence[float] | Floats,
    candidate_scores_where_baseline_missing: Sequence[float] | Floats,
    missing_both: int,
) -> tuple[Floats, Floats]:
    """Return the worst and the best difference of each missing case, two arrays of one shape."""
    theirs = _scores(
        "baseline_scores_where_candidate_missing", baseline_scores_where_candidate_missing
    )
    ours = _scores(
        "candidate_scores_where_baseline_missing", candidate_scores_where_baseline_missing
    )
    both = np.ones(inputs.count("missing_both", missing_both, at_most=inputs.LARGEST_LOOP))
    return np.concatenate([-theirs, ours - 1, -both]), np.concatenate([1 - theirs, ours, both])


def uneven_missing_p(n_candidate: int, n_baseline: int) -> float:
    """Return the exact McNemar p for "one arm loses more scores than the other".

    The counts are of cases that only that arm is missing. Raises ValueError naming the field.
    """
    n_candidate = inputs.count("n_candidate", n_candidate)
    total = n_candidate + inputs.count("n_baseline", n_baseline)
    return float(stats.binomtest(n_candidate, total).pvalue) if total else 1.0


def _scores(field: str, values: Sequence[float] | Floats) -> Floats:
    return inputs.numbers(field, values, at_least=0.0, at_most=1.0, min_count=0)
