"""A/A: two draws from one checkpoint are flagged no more often than promised."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from releases.statistics.comparison import NodeComparison, compare_tables
from releases.statistics.multiplicity import benjamini_hochberg
from releases.statistics.paired_cases import CaseTable
from releases.statistics.verdicts import Verdict

N_CASES = 200
N_SLICES = 4
N_COMPARISONS = 1000
MOVED = (Verdict.BETTER, Verdict.WORSE, Verdict.REGRESSION)
BLOCKING = (Verdict.WORSE, Verdict.REGRESSION)


def compared(
    ours: np.ndarray, theirs: np.ndarray, is_plain: bool = False
) -> dict[str, NodeComparison]:
    """Both arms on a tree of the whole and its slices; mean scores a case."""
    places = {"": np.arange(len(ours))}
    places |= {f"s{i}": np.arange(i, len(ours), N_SLICES) for i in range(N_SLICES)}
    tables = {
        node: CaseTable(candidate=ours[at], baseline=theirs[at], clusters=None, is_plain=is_plain)
        for node, at in places.items()
    }
    return compare_tables(tables, suite_name="same", margin=0.02)


def draws(dice: np.random.Generator, repeats: int) -> tuple[np.ndarray, np.ndarray]:
    chance = dice.beta(1.5, 1.0, N_CASES)
    return tuple(dice.binomial(repeats, chance) / repeats for _ in range(2))  # type: ignore[return-value]


@pytest.mark.parametrize(("repeats", "n"), [(1, N_COMPARISONS), (4, 300)])
def test_two_draws_of_one_checkpoint_are_rarely_told_apart(repeats: int, n: int) -> None:
    dice = np.random.default_rng(4 + repeats)
    nodes, trees = 0, 0
    for _ in range(n):
        ours, theirs = draws(dice, repeats)
        found = compared(ours, theirs, is_plain=repeats == 1)
        nodes += sum(one.verdict in MOVED for one in found.values())
        trees += any(one.corrected_verdict in BLOCKING for one in found.values())
    # Twice the standard error of a share of 5% in so many trees.
    slack = 0.014 * (N_COMPARISONS / n) ** 0.5
    assert nodes / (n * (1 + N_SLICES)) <= 0.05 + slack
    assert trees / n <= 0.05 + slack
    print(f"K={repeats}: {nodes / (n * (1 + N_SLICES)):.3f} of nodes, {trees / n:.3f} of trees")  # noqa: T201


def test_copies_of_the_same_samples_change_nothing() -> None:
    dice = np.random.default_rng(9)
    ours, theirs = draws(dice, 3)
    once = compared(ours, theirs)
    again = compared(np.mean([ours] * 7, axis=0), np.mean([theirs] * 7, axis=0))
    for node, found in once.items():
        assert (again[node].n, again[node].n_clusters) == (found.n, found.n_clusters)
        assert again[node].p_worse == pytest.approx(found.p_worse, abs=1e-12)
        assert again[node].lo == pytest.approx(found.lo, abs=1e-12)


def test_the_comparison_is_scipys_paired_t_test() -> None:
    dice = np.random.default_rng(1)
    ours, theirs = draws(dice, 5)
    for node, found in compared(ours, theirs).items():
        at = np.arange(N_CASES) if not node else np.arange(int(node[1:]), N_CASES, N_SLICES)
        exact = stats.ttest_rel(ours[at], theirs[at], alternative="less")
        interval = stats.ttest_rel(ours[at], theirs[at]).confidence_interval(0.95)
        assert found.p_worse == pytest.approx(exact.pvalue, abs=1e-9)
        assert (found.lo, found.hi) == pytest.approx((interval.low, interval.high), abs=1e-9)


def test_benjamini_hochberg_is_scipys() -> None:
    p = np.random.default_rng(2).random(50).tolist()
    expected = stats.false_discovery_control(p).tolist()
    assert benjamini_hochberg(p).adjusted == pytest.approx(expected, abs=1e-9)
