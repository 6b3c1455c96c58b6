import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from releases.statistics.betting_sequence import bounded_mean_sequence
from releases.statistics.mean_sequence import mean_difference_sequence
from releases.statistics.ratio_sequence import odds_ratio_sequence, rate_ratio_sequence


@st.composite
def strata(draw):
    rows = []
    for _ in range(draw(st.integers(1, 4))):
        n0, n1 = draw(st.integers(0, 30)), draw(st.integers(0, 30))
        rows.append([draw(st.integers(0, n0)), n0, draw(st.integers(0, n1)), n1])
    return rows


@settings(max_examples=25, deadline=None)
@given(rows=strata())
def test_swapping_the_arms_inverts_the_odds_ratio(rows):
    result = odds_ratio_sequence(rows, 1.0)
    swapped = odds_ratio_sequence([[x1, n1, x0, n0] for x0, n0, x1, n1 in rows], 1.0)
    assert result.log_e == pytest.approx(swapped.log_e, abs=1e-9)
    assert result.lo == pytest.approx(1 / swapped.hi if swapped.hi else math.inf, rel=1e-6)
    assert result.lo <= 1 <= result.hi or result.p_always_valid < 0.05


def test_strata_without_contrast_add_exactly_nothing():
    rows = [[3, 50, 9, 50]]
    more = [*rows, [0, 50, 0, 50], [0, 0, 3, 40], [5, 60, 0, 0], [7, 7, 9, 9]]
    assert odds_ratio_sequence(more, 1.0) == odds_ratio_sequence(rows, 1.0)
    hours = [[3, 5.0, 9, 5.0]]
    assert rate_ratio_sequence([*hours, [0, 4.0, 0, 2.0]], 1.0) == rate_ratio_sequence(hours, 1.0)


def test_one_sided_events_have_an_infinite_or_zero_estimate():
    assert odds_ratio_sequence([[0, 50, 3, 50]], 1.0).estimate == math.inf
    assert odds_ratio_sequence([[3, 50, 0, 50]], 1.0).estimate == 0


def test_the_interval_is_where_the_e_value_stays_below_twenty():
    rows = [[8, 2.5, 2, 0.2], [6, 3, 9, 0.4], [6, 2, 4, 1], [9, 2.2, 8, 1.5]]
    result = rate_ratio_sequence(rows, 1.0)
    for end in (result.lo, result.hi):
        assert rate_ratio_sequence(rows, end).log_e == pytest.approx(math.log(20), abs=1e-6)


def test_nothing_is_reported_below_a_hundred_units_an_arm():
    result = mean_difference_sequence(6.7, 0.5, 99, 6.6, 0.5, 2700, 4000)
    assert (result.lo, result.hi, result.p_always_valid) == (None, None, None)


@settings(max_examples=40, deadline=None)
@given(u=st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=1, max_size=60))
def test_mirroring_the_values_mirrors_the_betting_interval(u):
    result, mirrored = bounded_mean_sequence(u), bounded_mean_sequence([1 - x for x in u])
    assert (result.lo, result.hi) == pytest.approx((1 - mirrored.hi, 1 - mirrored.lo), abs=1e-9)
    assert 0 <= result.lo < result.hi <= 1
