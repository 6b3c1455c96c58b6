import math

import pytest

from releases.statistics.verdicts import Verdict, is_sufficient, verdict_of


@pytest.mark.parametrize(
    "lo, hi, verdict",
    [
        (-0.063, -0.021, Verdict.REGRESSION),
        (-0.063, -0.019, Verdict.WORSE),
        (-0.015, -0.002, Verdict.NON_INFERIOR),
        (-0.012, 0.03, Verdict.NON_INFERIOR),
        (0.001, 0.04, Verdict.BETTER),
        (-0.03, 0.03, Verdict.INCONCLUSIVE),
        (-0.02, 0.03, Verdict.INCONCLUSIVE),
        (-0.05, 0, Verdict.INCONCLUSIVE),
        (-0.04, -0.02, Verdict.WORSE),
        (-math.inf, math.inf, Verdict.INCONCLUSIVE),
    ],
)
def test_verdict_is_strict_at_every_bound(lo, hi, verdict):
    assert verdict_of(lo, hi, 0.02) == verdict


@pytest.mark.parametrize(
    "field, lo, hi, margin",
    [
        ("lo", math.nan, 0.1, 0.02),
        ("lo", 0.2, 0.1, 0.02),
        ("lo", math.inf, math.inf, 0.02),
        ("hi", 0.0, math.nan, 0.02),
        ("hi", -math.inf, -math.inf, 0.02),
        ("margin", 0.0, 0.1, math.nan),
        ("margin", 0.0, 0.1, -0.01),
        ("margin", 0.0, 0.1, math.inf),
    ],
)
def test_a_number_that_means_nothing_is_refused_by_name(field, lo, hi, margin):
    with pytest.raises(ValueError, match=f"^{field}: "):
        verdict_of(lo, hi, margin)


@pytest.mark.parametrize("n, n_clusters, enough", [(10, 5, True), (9, 9, False), (10, 4, False)])
def test_ten_cases_in_five_clusters_are_enough(n, n_clusters, enough):
    assert is_sufficient(n, n_clusters) is enough
