"""Bounded means of clusters, valid at every look."""

import numpy as np
import pytest

from releases.statistics.betting_sequence import (
    bounded_mean_sequence,
    bounded_sequence,
    paired_delta_sequence,
)

VALUES = [0.0, 1.0, 1.0, 0.5, 1.0, 0.0, 1.0, 1.0, 1.0, 0.25]


def test_clusters_of_one_are_no_clusters():
    alone = [f"c{i}" for i in range(len(VALUES))]
    assert bounded_mean_sequence(VALUES, cluster=alone) == bounded_mean_sequence(VALUES)


def test_the_p_values_are_small_exactly_outside_the_interval():
    found = bounded_sequence(VALUES * 20, confidence=0.9)
    ends = found.interval
    assert found.p_above(ends.lo) == pytest.approx(0.1, rel=1e-6)
    assert found.p_below(ends.hi) == pytest.approx(0.1, rel=1e-6)
    assert found.p_above(ends.lo - 0.01) < 0.1 < found.p_above(ends.lo + 0.01)


def test_differences_are_the_same_bets_on_another_scale():
    clusters = [i // 3 for i in range(90)]
    values = (VALUES * 9)[:90]
    ours = bounded_mean_sequence(values, cluster=clusters, largest=5)
    deltas = paired_delta_sequence([2 * v - 1 for v in values], cluster=clusters, largest=5)
    assert (deltas.lo, deltas.hi) == pytest.approx((2 * ours.lo - 1, 2 * ours.hi - 1), abs=1e-9)


def test_a_cluster_larger_than_the_suites_largest_is_refused():
    with pytest.raises(ValueError, match="largest: is 1, but a cluster has 2 values"):
        bounded_mean_sequence([0.0, 1.0], cluster=["a", "a"], largest=1)


def test_the_truth_leaves_the_interval_in_fewer_than_one_run_of_twenty_at_any_look():
    random = np.random.default_rng(7)
    n_runs, n_left = 200, 0
    for _ in range(n_runs):
        sizes = random.integers(1, 6, 60)
        shares = random.beta(2, 1, 60)
        clusters = np.repeat(np.arange(60), sizes)
        values = (random.random(clusters.size) < shares[clusters]).astype(float)
        ends = np.cumsum(sizes)
        looks = (
            bounded_sequence(values[:end], clusters[:end].tolist(), largest=5)
            for end in ends[9::10]
        )
        # The mean of the shares is 2/3 whatever the sizes.
        n_left += any(min(look.p_above(2 / 3), look.p_below(2 / 3)) < 0.05 for look in looks)
    assert n_left <= 0.08 * n_runs
