"""Reference numbers that come with a sentence: what was said of them is what is computed."""

import math

import pytest

from releases.statistics.contamination import contamination
from releases.statistics.feedback import feedback_rate
from releases.statistics.planning import NORMAL
from releases.statistics.ratio_sequence import rate_ratio_sequence
from releases.statistics.verdicts import Verdict, verdict_of


def ratio_verdict(found, limit):
    """Less is better, so the ends change places."""
    lo, hi = -math.log(found.hi), -math.log(found.lo)
    return verdict_of(lo, hi, math.log(limit))


def test_reports_are_a_regression_against_1_and_not_against_1_25():
    strata = [[8, 2.5, 2, 0.2], [6, 3, 9, 0.4], [6, 2, 4, 1], [9, 2.2, 8, 1.5]]
    found = rate_ratio_sequence(strata, 1.0)
    assert ratio_verdict(found, 1.0) == Verdict.REGRESSION
    assert ratio_verdict(found, 1.25) == Verdict.WORSE


def test_what_looks_like_a_regression_is_worse_until_it_is_proven():
    delta, lo, hi, margin = -0.041, -0.063, -0.019, 0.02
    se = (hi - lo) / 2 / NORMAL.inv_cdf(0.975)
    assert NORMAL.cdf((delta + margin) / se) == pytest.approx(0.031, abs=5e-4)
    assert verdict_of(lo, hi, margin) == Verdict.WORSE


def test_contamination_has_welch_degrees_of_freedom():
    exposed = [1] * 14 + [-1] * 2 + [0] * 44
    fresh = [1] * 3 + [-1] * 3 + [0] * 34
    found = contamination(exposed, fresh)
    assert found.dof == pytest.approx(93.897, abs=5e-4)
    assert found.lo > 0


def test_no_reports_leave_an_upper_bound_of_3_69_over_the_exposure():
    found = feedback_rate(0, 3_000)
    assert (found.lo, found.hi) == (0, pytest.approx(1000 * 3.69 / 3_000, rel=1e-3))
