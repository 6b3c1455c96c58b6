"""Whether traffic was split as configured."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from releases.statistics import inputs
from releases.statistics.inputs import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficSplit:
    """How well unit counts fit the configured shares."""

    p: float
    """p of the chi-square test; below 0.001 the numbers are invalid."""


def traffic_split(counts: Sequence[int], expected_share: Sequence[float] | Floats) -> TrafficSplit:
    """Test units per arm, shape (k,), against the configured shares, which sum to 1.

    Raises ValueError naming the field. Source: Pearson's chi-square.
    """
    given = inputs.listed("counts", counts)
    units = np.array([inputs.count(f"counts[{i}]", v) for i, v in enumerate(given)], np.float64)
    shares = inputs.numbers("expected_share", expected_share, at_least=0.0, min_count=2)
    inputs.same_length("counts", units, "expected_share", len(shares))
    if not np.all(shares > 0) or abs(shares.sum() - 1) > 1e-9:
        raise ValueError(f"expected_share: must be above 0 and sum to 1, got {shares.sum():g}")
    if units.sum() == 0:
        raise ValueError("counts: needs at least one unit")
    return TrafficSplit(p=float(stats.chisquare(units, shares * units.sum()).pvalue))
