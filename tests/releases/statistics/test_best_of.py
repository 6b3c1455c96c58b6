"""A win that was picked from several tries."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from releases.statistics.best_of import best_of, expected_best, tries_clause


@pytest.mark.parametrize("n", [1, 2, 5, 40])
def test_the_luck_of_the_best_is_the_largest_of_n_normals(n: int) -> None:
    def density(x: float) -> float:
        return float(x * n * stats.norm.pdf(x) * stats.norm.cdf(x) ** (n - 1))

    assert expected_best(n) == pytest.approx(integrate.quad(density, -10, 10)[0], abs=1e-9)


def test_the_best_of_five_gains_1_16_standard_errors() -> None:
    assert best_of(0.01, 5, 0.02).luck == pytest.approx(1.163 * 0.02, abs=1e-4)
    assert best_of(0.01, 5).p_corrected == pytest.approx(0.05)
    assert best_of(0.4, 5).p_corrected == 1.0


def test_the_best_of_equals_is_called_better_no_more_often_than_promised() -> None:
    dice = np.random.default_rng(5)
    best = dice.normal(size=(4000, 8)).max(axis=1)
    p = stats.norm.sf(best)
    raw = float(np.mean(p < 0.025))
    corrected = float(np.mean([best_of(one, 8).p_corrected < 0.025 for one in p.tolist()]))
    assert raw > 0.15 and corrected <= 0.025 + 0.006


def test_the_clause_says_what_is_left() -> None:
    assert "not shown to be better" in tries_clause(5, 0.023, 0.05, 0.025)
    assert tries_clause(5, 0.023, 0.01, 0.025).endswith("p 0.01: still better")


@pytest.mark.parametrize(("p", "n"), [(-0.1, 2), (1.1, 2), (0.5, 0)])
def test_garbage_is_named(p: float, n: int) -> None:
    with pytest.raises(ValueError, match="^(p_better|n_tried): "):
        best_of(p, n)
