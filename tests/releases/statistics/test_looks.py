"""The intersection over all looks against the looks one by one."""

from __future__ import annotations

import math

import numpy as np
import pytest

from releases.statistics.ratio_sequence import odds_ratio_looks, odds_ratio_sequence


def drawn(seed: int, n_strata: int, rates: tuple[float, float]) -> list[list[int]]:
    draw = np.random.default_rng(seed)
    rows = []
    for _ in range(n_strata):
        n1 = int(draw.integers(1, 30))
        n0 = int(draw.integers(1, 60))
        x0, x1 = draw.binomial(n0, rates[0]), draw.binomial(n1, rates[1])
        rows.append([int(x0), n0, int(x1), n1])
    return rows


@pytest.mark.parametrize(
    ("seed", "n_strata", "rates"),
    [(1, 40, (0.1, 0.1)), (2, 60, (0.05, 0.4)), (3, 200, (0.5, 0.3)), (4, 5, (0.02, 0.02))],
)
def test_all_looks_leave_what_every_look_leaves(
    seed: int, n_strata: int, rates: tuple[float, float]
) -> None:
    strata = drawn(seed, n_strata, rates)
    looks = [odds_ratio_sequence(strata[: n + 1], 1.0) for n in range(n_strata)]
    lo, hi = max(look.lo for look in looks), min(look.hi for look in looks)
    found = odds_ratio_looks(strata)
    assert found.lo <= lo and found.hi >= hi
    if lo:
        assert found.lo == pytest.approx(lo, rel=0.02)
    if hi < math.inf:
        assert found.hi == pytest.approx(hi, rel=0.02)


def test_an_effect_that_turns_round_leaves_nothing() -> None:
    strata = [[2, 50, 15, 50]] * 20 + [[15, 50, 2, 50]] * 200
    found = odds_ratio_looks(strata)
    assert found.lo > found.hi


def test_without_anything_to_compare_everything_is_left() -> None:
    found = odds_ratio_looks([[0, 50, 0, 50], [0, 0, 3, 40]])
    assert (found.lo, found.hi) == (0.0, math.inf)


@pytest.mark.long
def test_an_interval_between_two_grid_points_is_not_lost() -> None:
    strata = [[2000, 10000, 2000, 10000]] * 400
    found, exact = odds_ratio_looks(strata), odds_ratio_sequence(strata, 1.0)
    assert found.lo <= exact.lo < 1 < exact.hi <= found.hi
    assert found.hi / found.lo < 1.2
