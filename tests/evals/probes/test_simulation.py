"""A planted cause is found and no other is claimed, by the product's own analysis."""

from __future__ import annotations

import pytest

from tests.evals.probes.simulated import simulated


def test_a_planted_cause_is_isolated() -> None:
    tried = simulated(30, planted=2, seed=1)
    assert tried.right >= 0.9, tried
    assert tried.wrong <= 0.1, tried


def test_without_a_cause_none_is_claimed() -> None:
    assert simulated(30, planted=None, seed=2).wrong <= 0.1


@pytest.mark.long
def test_of_200_probes_nine_in_ten_isolate_the_planted_cause() -> None:
    tried = simulated(200, planted=3, seed=20261123)
    assert tried.right >= 0.90, tried
    assert tried.wrong <= 0.05, tried


@pytest.mark.long
def test_of_200_probes_without_a_cause_one_in_twenty_at_most_claims_one() -> None:
    tried = simulated(200, planted=None, seed=20261124)
    assert tried.wrong <= 0.05, tried


@pytest.mark.long
def test_the_error_rate_holds_over_2000_probes() -> None:
    """At 2,000 the Monte-Carlo error is half a point: what 200 probes cannot tell apart."""
    tried = simulated(2000, planted=None, seed=5)
    assert tried.wrong <= 0.05, tried
