import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from releases.statistics.cr2 import clustered_mean
from releases.statistics.inputs import numbers
from releases.statistics.paired import paired_delta, paired_repeats
from releases.statistics.verdicts import Verdict, verdict_of

D = [0.1, -0.2, -0.3, 0, -0.1, 0.2, -0.4, -0.2, 0, -0.1, -0.3, 0.1]
CANDIDATE = [
    [0, 1, 0, 1],
    [1, 1, 1, 1],
    [0, 1, 1, 1],
    [0, 0],
    [1, 1, 1, 0],
    [1, 0, 0],
    [1, 1, 1],
    [0, 1, 0, 0],
    [1, 0, 0, 1],
    [1, 1, 1],
    [1, 1],
    [0, 0, 0, 1],
    [1, 0],
    [0, 1],
]
BASELINE = [
    [0, 1],
    [1, 1],
    [0, 1, 1],
    [0, 1],
    [1, 1],
    [0, 1],
    [0, 1],
    [1, 0],
    [1, 1],
    [1, 1, 1],
    [1, 1, 1],
    [1, 0, 1],
    [1, 1, 1],
    [0, 1],
]


def test_unequal_clusters_match_the_matrix_cr2():
    result = paired_delta(D, list("AABBBCDDDDDE"))
    assert result.delta == pytest.approx(-0.1)
    assert result.se == pytest.approx(0.0643192, rel=1e-5)
    assert result.dof == pytest.approx(2.73638, rel=1e-5)
    assert (result.lo, result.hi) == pytest.approx((-0.316314, 0.116314), rel=1e-5)
    assert result.verdict == Verdict.INCONCLUSIVE


def test_equal_clusters_match_the_clustered_standard_error():
    result = paired_delta(D, list("AABBCCDDEEFF"))
    assert result.se == pytest.approx(0.0483046, rel=1e-5)
    assert result.dof == pytest.approx(5)
    assert (result.lo, result.hi) == pytest.approx((-0.224171, 0.0241709), rel=1e-5)


def test_no_clusters_is_the_paired_t_test():
    result = paired_delta(D)
    assert result.dof == pytest.approx(11)
    expected = stats.ttest_1samp(D, 0)
    assert (result.lo, result.hi) == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert result.p == pytest.approx(expected.pvalue)


def test_guard_keeps_the_width_of_an_all_zero_comparison():
    clusters = [i // 3 for i in range(90)]
    result = paired_delta([0.0] * 90, clusters)
    assert (result.delta, result.lo, result.hi) == pytest.approx(
        (0, -0.0915769, 0.0915769), rel=1e-5
    )


def test_guard_keeps_the_width_when_all_deltas_are_equal():
    result = paired_delta([0.1] * 30)
    assert result.delta == pytest.approx(0.1)
    assert result.lo < 0.1 < result.hi


def test_guard_ends_at_ten_clusters_with_a_difference():
    nine = paired_delta([0.5] * 9 + [0.0] * 40)
    ten = paired_delta([0.5] * 10 + [0.0] * 40)
    assert nine.dof == pytest.approx(50)
    assert ten.dof == pytest.approx(49)


def test_repeats_are_averaged_within_the_case():
    result = paired_repeats(CANDIDATE, BASELINE)
    assert result.delta == pytest.approx(-0.142857, rel=1e-5)
    assert (result.lo, result.hi) == pytest.approx((-0.306763, 0.0210485), rel=1e-5)


@pytest.mark.parametrize("n_cases, n_clusters", [(9, 9), (40, 4)])
def test_too_few_cases_or_clusters_show_numbers_and_no_verdict(n_cases, n_clusters):
    d = [0.5 + 0.1 * (i % 3) for i in range(n_cases)]
    result = paired_delta(d, [i % n_clusters for i in range(n_cases)])
    assert result.verdict == Verdict.INSUFFICIENT
    assert result.lo is not None


def test_one_cluster_has_no_standard_error():
    result = paired_delta(D, ["A"] * 12)
    assert (result.se, result.lo, result.hi, result.p) == (None, None, None, None)
    assert result.verdict == Verdict.INSUFFICIENT


def test_a_weight_of_two_counts_as_a_case_seen_twice_in_its_cluster():
    weighted = clustered_mean(
        numbers("d", [0.1, 0.4, -0.2]), ["A", "B", "C"], weights=numbers("w", [2, 1, 1])
    )
    doubled = clustered_mean(numbers("d", [0.1, 0.1, 0.4, -0.2]), ["A", "A", "B", "C"])
    assert weighted.lo == pytest.approx(doubled.lo)
    assert weighted.hi == pytest.approx(doubled.hi)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1.5, "0.1", True, None])
def test_a_bad_difference_is_refused_by_name_and_position(bad):
    with pytest.raises(ValueError, match=r"^d\[1\]: "):
        paired_delta([0.1, bad])


def test_a_missing_label_is_refused_by_name():
    with pytest.raises(ValueError, match="^cluster: needs one label"):
        paired_delta(D, ["A"])


def test_arms_of_different_length_are_refused_by_name():
    with pytest.raises(ValueError, match="^baseline: "):
        paired_repeats(CANDIDATE, BASELINE[1:])


DELTAS = st.lists(st.integers(-10, 10).map(lambda i: i / 10), min_size=10, max_size=40)


@given(d=DELTAS, n_clusters=st.integers(5, 10))
def test_swapping_the_arms_negates_the_comparison(d, n_clusters):
    labels = [i % n_clusters for i in range(len(d))]
    result, swapped = paired_delta(d, labels), paired_delta([-x for x in d], labels)
    assert result.delta == pytest.approx(-swapped.delta)
    assert (result.lo, result.hi) == pytest.approx((-swapped.hi, -swapped.lo))
    assert result.p == pytest.approx(swapped.p)


@given(d=DELTAS, margin=st.floats(0, 0.5))
def test_the_verdict_is_that_of_the_interval(d, margin):
    result = paired_delta(d, margin=margin)
    assert result.verdict == verdict_of(result.lo, result.hi, margin)
    assert result.lo < result.hi
