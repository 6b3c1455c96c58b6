"""What blind votes say, against reference numbers and independent computation."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from alpha.preference_results import Ballot, results_of, style_differences

PLAIN = (0.0, 0.0, 0.0, 0.0)


def ballot(at: int, y: float, **fields: object) -> Ballot:
    given = {
        "y": y,
        "is_both_bad": False,
        "rater": f"person {at}",
        "group": "reviewers",
        "prompt": str(at),
        "candidate_is_a": at % 2 == 0,
        "style": PLAIN,
    }
    return Ballot(**{**given, **fields})  # type: ignore[arg-type]


def ballots(wins: int, ties: int, losses: int, n_raters: int = 10**6) -> list[Ballot]:
    ys = [1.0] * wins + [0.5] * ties + [0.0] * losses
    random.Random(1).shuffle(ys)
    return [ballot(at, y, rater=f"person {at % n_raters}") for at, y in enumerate(ys)]


@pytest.mark.parametrize(
    ("votes", "expected"),
    [
        ((33, 16, 27), (0.539474, 0.437685, 0.641262)),
        ((330, 160, 270), (0.539474, 0.507943, 0.571005)),
    ],
)
def test_the_win_score_is_that_of_the_reference(
    votes: tuple[int, int, int], expected: tuple[float, float, float]
) -> None:
    found = results_of(ballots(*votes)).score
    assert (found.estimate, found.lo, found.hi) == pytest.approx(expected, abs=2e-6)


def test_bradley_terry_with_its_sandwich_equals_a_computation_by_hand() -> None:
    votes = ballots(40, 10, 25, n_raters=8)
    found = results_of(votes).difference
    y = np.array([b.y for b in votes])
    theta = math.log((y.sum() + 0.5) / (len(y) + 1 - y.sum() - 0.5))
    p = 1 / (1 + math.exp(-theta))
    hessian = len(y) * p * (1 - p) + 0.25 * (4 * p * (1 - p))
    sums = [sum(b.y - p for b in votes if b.rater == f"person {r}") for r in range(8)]
    se = math.sqrt(8 / 7 * sum(s * s for s in sums)) / hessian
    half = stats.t.ppf(0.975, 7) * se
    assert (found.estimate, found.lo, found.hi) == pytest.approx(
        (theta, theta - half, theta + half), rel=1e-6
    )


def test_of_one_rater_on_one_prompt_the_first_vote_counts() -> None:
    votes = [ballot(0, 1.0), ballot(1, 0.0)]
    again = replace(votes[0], y=0.0)
    found = results_of([*votes, again])
    assert (found.n_votes, found.n_repeats, found.score.estimate) == (2, 1, 0.5)


def test_both_bad_is_a_tie_with_a_count_of_its_own() -> None:
    found = results_of([ballot(0, 0.5, is_both_bad=True), ballot(1, 0.5), ballot(2, 1.0)])
    assert (found.n_ties, found.n_both_bad, found.tie_share) == (2, 1, pytest.approx(2 / 3))


def with_longer_candidate(seed: int, n: int = 400) -> list[Ballot]:
    """Equal checkpoints; raters like what is longer, and the candidate mostly is."""
    dice, votes = random.Random(seed), []
    for at in range(n):
        z = dice.gauss(0.2, 0.3)
        wins = dice.random() < 1 / (1 + math.exp(-3 * z))
        rater = f"person {at % 20}"
        votes.append(ballot(at, float(wins), rater=rater, style=(z, 0.0, 0.0, 0.0)))
    return votes


def test_a_gain_by_length_alone_is_told_from_a_better_answer() -> None:
    found = results_of(with_longer_candidate(3))
    assert found.score.lo > 0.5
    assert found.controlled.lo < 0 < found.controlled.hi
    assert found.controlled_score.lo < 0.5 < found.controlled_score.hi
    assert found.length.lo > 0


def test_a_first_place_that_wins_too_often_is_flagged_and_held_equal() -> None:
    dice, votes = random.Random(5), []
    for at in range(400):
        a_wins = dice.random() < 0.7
        # The candidate stood first more often than it should have.
        first = at % 4 != 0
        votes.append(
            ballot(at, float(a_wins == first), candidate_is_a=first, rater=f"person {at % 20}")
        )
    found = results_of(votes)
    assert found.position.is_flagged and found.position.p < 1e-6
    assert found.position.share.estimate == pytest.approx(0.7, abs=0.06)
    assert found.score.estimate > 0.55
    assert found.difference.lo < 0 < found.difference.hi


def test_a_fair_first_place_is_not_flagged() -> None:
    assert not results_of(ballots(100, 0, 100)).position.is_flagged


def test_a_rater_who_always_takes_the_first_place_is_listed() -> None:
    lazy = [
        ballot(at, float(at % 2 == 0), rater="person lazy", candidate_is_a=at % 2 == 0)
        for at in range(14)
    ]
    found = results_of([*lazy, *(ballot(100 + at, at % 2) for at in range(20))])
    assert [(o.rater, o.n_a, o.n_decided) for o in found.one_sided] == [("person lazy", 14, 14)]
    assert found.one_sided[0].p == pytest.approx(2 * 0.5**14)


def test_groups_of_raters_are_told_apart() -> None:
    mine = [ballot(at, 1.0) for at in range(6)]
    theirs = [ballot(10 + at, 0.0, group="partners") for at in range(4)]
    found = results_of([*mine, *theirs])
    told = [(g.name, g.n_votes, g.n_raters, g.score.estimate) for g in found.groups]
    assert told == [("partners", 4, 4, 0.0), ("reviewers", 6, 6, 1.0)]


def test_few_votes_have_an_estimate_and_no_false_precision() -> None:
    one = results_of([ballot(0, 1.0)])
    assert (one.score.estimate, one.score.lo, one.difference) == (1.0, None, None)
    few = results_of(ballots(5, 0, 2, n_raters=3))
    assert few.controlled is None and few.problem == ""
    with pytest.raises(ValueError, match="nobody has voted"):
        results_of([])


def test_styles_that_explain_every_vote_are_said_to_and_not_guessed() -> None:
    votes = [
        ballot(at, float(at % 2 == 0), style=((-1.0) ** at, 0.0, 0.0, 0.0)) for at in range(60)
    ]
    found = results_of(votes)
    assert found.controlled is None and found.problem


def test_style_differences_turn_their_sign_with_the_places() -> None:
    assert style_differences([30, 0, 2, 0], [10, 0, 2, 4]) == (0.5, 0.0, 0.0, -1.0)


@pytest.mark.long
def test_intervals_hold_the_truth_with_clustered_raters_and_prompts() -> None:
    """1,000 simulated pairs: 24 raters with tastes of their own, 60 prompts, true score 0.5."""
    dice, held = np.random.default_rng(7), [0, 0]
    n_simulated = 1000
    for _ in range(n_simulated):
        tastes, hard = dice.normal(0, 0.5, 24), dice.normal(0, 0.5, 60)
        votes = []
        for at in range(240):
            rater, prompt = at % 24, int(dice.integers(60))
            p = 1 / (1 + math.exp(-(tastes[rater] + hard[prompt])))
            y = float(dice.random() < p)
            votes.append(ballot(at, y, rater=f"person {rater}", prompt=str(prompt)))
        found = results_of(votes)
        held[0] += found.score.lo <= 0.5 <= found.score.hi
        held[1] += found.difference.lo <= 0 <= found.difference.hi
    assert held[0] >= 0.93 * n_simulated
    assert held[1] >= 0.80 * n_simulated
