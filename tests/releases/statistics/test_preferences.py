import math

import pytest

from releases.statistics.bradley_terry import bradley_terry
from releases.statistics.preferences import win_score
from releases.statistics.verdicts import Verdict
from releases.statistics.votes import elo, votes_needed

VOTES = [1] * 33 + [0.5] * 16 + [0] * 27


def test_verdicts_of_the_reference_votes():
    assert win_score(VOTES).verdict == Verdict.INCONCLUSIVE
    assert win_score([1] * 330 + [0.5] * 160 + [0] * 270).verdict == Verdict.BETTER


def test_few_votes_or_raters_are_insufficient():
    assert win_score([1] * 29).verdict == Verdict.INSUFFICIENT
    assert win_score(VOTES, [i % 4 for i in range(76)]).verdict == Verdict.INSUFFICIENT
    assert win_score(VOTES, [i % 5 for i in range(76)]).verdict != Verdict.INSUFFICIENT


def test_two_way_clusters_are_never_narrower_than_either():
    raters, prompts = [i // 8 for i in range(76)], [i % 9 for i in range(76)]
    both = win_score(VOTES, raters, prompts)
    for one in (win_score(VOTES, raters), win_score(VOTES, None, prompts)):
        assert both.hi - both.lo >= one.hi - one.lo - 1e-12


def test_a_clean_sweep_keeps_its_width():
    result = win_score([1] * 40)
    assert result.score == 1
    assert result.lo < 1


@pytest.mark.parametrize("win, points", [(0.52, 14), (0.55, 35), (0.6, 70)])
def test_elo_of_a_win_score(win, points):
    assert round(elo(win).elo) == points
    assert elo(0).elo == -math.inf


@pytest.mark.parametrize(
    "edge, ties, n",
    [
        (0.03, 0, 2181),
        (0.03, 0.2, 1745),
        (0.03, 0.4, 1309),
        (0.05, 0, 785),
        (0.05, 0.4, 471),
        (0.1, 0, 197),
        (0.1, 0.2, 157),
        (0.1, 0.4, 118),
    ],
)
def test_votes_needed_table(edge, ties, n):
    assert votes_needed(edge, ties).n == n


def test_nine_wins_of_nine_stay_finite_by_the_pseudo_tie():
    result = bradley_terry([1] * 9, [0] * 9, [1] * 9, 2)
    assert result.theta == pytest.approx((0, 2.944439), rel=1e-6)


def test_a_sweep_without_pseudo_ties_is_refused():
    with pytest.raises(ValueError, match="^pseudo_ties: "):
        bradley_terry([1] * 9, [0] * 9, [1] * 9, 2, pseudo_ties=0)


def test_swapping_the_sides_of_every_vote_changes_nothing():
    first, second = [0, 0, 1, 1, 2, 0] * 6, [1, 2, 2, 0, 0, 1] * 6
    votes = [1, 0, 0.5, 0, 1, 0.5] * 3 + [0, 0, 1, 1, 1, 0] * 3
    style = [math.sin(i) for i in range(36)]
    given = bradley_terry(first, second, votes, 3, style=style)
    swapped = bradley_terry(second, first, [1 - y for y in votes], 3, style=[-z for z in style])
    assert given.theta == pytest.approx(swapped.theta)
    assert given.style == pytest.approx(swapped.style)
    assert given.se == pytest.approx(swapped.se)


def test_style_takes_the_wins_that_length_explains():
    longer = [1, 1, 1, -1, -1, 1, -1, 1] * 10
    votes = [1 if z > 0 else 0 for z in longer]
    votes[::9] = [1 - y for y in votes[::9]]
    raw = bradley_terry([1] * 80, [0] * 80, votes, 2)
    controlled = bradley_terry([1] * 80, [0] * 80, votes, 2, style=longer)
    assert raw.theta[1] > 0.3
    assert abs(controlled.theta[1]) < 0.1


def test_a_contrast_between_two_others_uses_their_covariance():
    first, second = [0, 0, 1] * 12, [1, 2, 2] * 12
    votes = [1, 0, 0.5, 0, 1, 0, 1, 1, 1] * 4
    result = bradley_terry(first, second, votes, 3)
    gap, lo, hi = result.contrast(2, 1)
    assert gap == pytest.approx(result.theta[2] - result.theta[1])
    assert lo < gap < hi
    moved = bradley_terry(
        [1 - i if i < 2 else i for i in first], [1 - i if i < 2 else i for i in second], votes, 3
    )
    assert (gap, lo, hi) == pytest.approx(moved.contrast(2, 0), rel=1e-6)
