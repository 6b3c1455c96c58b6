import math

import pytest
from scipy import stats

from releases.statistics.mean_score import mean_score, wilson


def test_plain_pass_fail_uses_wilson():
    result = mean_score([1] * 8 + [0] * 2)
    assert (result.mean, result.method) == (0.8, "wilson")
    assert (result.lo, result.hi) == pytest.approx((0.490162, 0.943318), rel=1e-5)


def test_all_passed_reaches_one_and_keeps_its_width():
    assert wilson(50, 50) == pytest.approx((0.928652, 1.0), rel=1e-5)


def test_graded_scores_use_the_t_interval():
    scores = [0.2, 0.4, 0.6, 0.8, 0.5]
    result = mean_score(scores)
    assert result.method == "cr2"
    expected = stats.ttest_1samp(scores, 0).confidence_interval(0.95)
    assert (result.lo, result.hi) == pytest.approx(tuple(expected))


def test_clusters_widen_pass_fail():
    scores = [1, 1, 1, 0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1, 1]
    clustered = mean_score(scores, [i // 3 for i in range(18)])
    plain = mean_score(scores)
    assert clustered.hi - clustered.lo > plain.hi - plain.lo


@pytest.mark.parametrize("score", [0.0, 0.5, 1.0])
def test_equal_scores_in_clusters_keep_their_width(score):
    result = mean_score([score] * 30, [i // 2 for i in range(30)])
    assert result.mean == score
    assert result.hi - result.lo > 0.1


def test_one_graded_score_has_no_interval():
    result = mean_score([0.5])
    assert (result.lo, result.hi) == (None, None)


@pytest.mark.parametrize("bad", [math.nan, -0.1, 1.1])
def test_a_score_outside_its_range_is_refused_by_name(bad):
    with pytest.raises(ValueError, match=r"^scores\[0\]: "):
        mean_score([bad])


@pytest.mark.parametrize("n", range(1, 200))
def test_wilson_reaches_a_mean_at_the_end_of_the_scale(n):
    assert wilson(n, n)[1] == 1.0
    assert wilson(0, n)[0] == 0.0


def test_few_graded_scores_stay_within_the_scale():
    found = mean_score([0.4, 0.6, 1.0], confidence=0.99)
    assert (found.lo, found.hi, found.method) == (0.0, 1.0, "cr2")
    assert mean_score([0.4, 0.6, 0.5]).lo > 0.0
