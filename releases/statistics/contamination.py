"""Whether a checkpoint knows exposed items better than their fresh twins."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy import stats

from releases.statistics import inputs
from releases.statistics.inputs import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Contamination:
    """Gain over the reference on exposed items, less the gain on fresh ones, in score units."""

    gap: float
    """Difference of the mean gains; contaminated when `lo` is above 0."""
    lo: float
    """Lower end of Welch's interval."""
    hi: float
    """Upper end of Welch's interval."""
    dof: float
    """Welch-Satterthwaite degrees of freedom."""


def contamination(
    d_exposed: Sequence[float] | Floats,
    d_fresh: Sequence[float] | Floats,
    confidence: float = 0.95,
) -> Contamination:
    """Compare gains per item, candidate minus a reference trained before the suite existed.

    Both arrays hold differences in -1..1, at least two each. Raises ValueError naming the field.
    Source: difference in differences; Welch 1947.
    """
    exposed = inputs.numbers("d_exposed", d_exposed, at_least=-1.0, at_most=1.0, min_count=2)
    fresh = inputs.numbers("d_fresh", d_fresh, at_least=-1.0, at_most=1.0, min_count=2)
    v1, v0 = exposed.var(ddof=1) / len(exposed), fresh.var(ddof=1) / len(fresh)
    if v1 + v0 == 0:
        raise ValueError("d_exposed: both groups are constant: the interval needs some spread")
    dof = float((v1 + v0) ** 2 / (v1**2 / (len(exposed) - 1) + v0**2 / (len(fresh) - 1)))
    gap = float(exposed.mean() - fresh.mean())
    t = float(stats.t.ppf((1 + inputs.confidence_level(confidence)) / 2, dof))
    half = t * math.sqrt(v1 + v0)
    return Contamination(gap=gap, lo=gap - half, hi=gap + half, dof=dof)
