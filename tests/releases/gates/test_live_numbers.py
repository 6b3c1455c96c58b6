"""The intervals that the statistics make are taken by the rules as they come."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from releases.gates.live_options import odds_limit
from releases.statistics.feedback import feedback_rate, feedback_rate_ratio
from releases.statistics.mean_sequence import mean_difference_sequence, mean_sequence
from releases.statistics.rate_sequence import rate_sequence
from releases.statistics.ratio_sequence import odds_ratio_sequence
from tests.releases.gates.live_shapes import arms, costs, findings, interval, money, rate, slow
from tests.releases.gates.shapes import judged


def sequence(strata: list[list[int]], null: float) -> dict[str, Any]:
    found = asdict(odds_ratio_sequence(strata, null))
    return {key: found[key] for key in ("lo", "hi", "estimate", "p_always_valid")}


@pytest.mark.parametrize(
    ("strata", "outcome"),
    [
        ([], "inconclusive"),
        ([[0, 500, 0, 500]], "inconclusive"),
        ([[0, 50, 0, 50], [0, 0, 3, 40], [5, 60, 0, 0]], "inconclusive"),
        ([[1, 109, 1, 32], [2, 194, 0, 6], [3, 125, 1, 21], [4, 170, 1, 42]], "inconclusive"),
        ([[20, 1000, 20, 1000]] * 3, "pass"),
        ([[10, 1000, 60, 1000]], "fail"),
        ([[0, 1000, 60, 1000]], "fail"),
        ([[60, 1000, 0, 1000]], "pass"),
    ],
)
def test_odds(strata: list[list[int]], outcome: str) -> None:
    options = {"ratio_at_most": 2.0}
    n = [sum(s[1] for s in strata), sum(s[3] for s in strata)]
    share = n[1] / sum(n) if sum(n) else 0.5
    observed = arms(strata, sequence(strata, odds_limit(options)), share)
    assert judged("error_rate", options, observed).outcome.value == outcome
    observed = slow(arms(strata, sequence(strata, 1.0), share))
    assert judged("latency", options, observed).outcome.value in (outcome, "inconclusive")


@pytest.mark.parametrize(
    ("x", "n", "outcome"),
    [(0, 1, "inconclusive"), (1, 1, "inconclusive"), (0, 900, "pass"), (90, 900, "fail")],
)
def test_one_rate(x: int, n: int, outcome: str) -> None:
    found = rate_sequence(x, n, 0.02, 4000)
    observed = rate(x, n, found.lo, found.hi)
    assert judged("error_rate", {"at_most": 0.02}, observed).outcome.value == outcome


@pytest.mark.parametrize(
    ("gap", "n", "outcome"),
    [
        (0.0, 50, "inconclusive"),
        (0.0, 2000, "pass"),
        (0.5, 500, "fail"),
        (0.1, 500, "inconclusive"),
    ],
)
def test_mean_costs(gap: float, n: int, outcome: str) -> None:
    observed = costs(gap, 0.0, n)
    given = {key: observed[key] for key in "mean1 sd1 n1 mean0 sd0 n0 n_opt".split()}
    found = mean_difference_sequence(**given)
    estimate = given["mean1"] - given["mean0"]
    observed["interval"] = interval(found.lo, found.hi, estimate, found.p_always_valid)
    assert judged("cost", {"ratio_at_most": 1.1}, observed).outcome.value == outcome


@pytest.mark.parametrize(("n", "outcome"), [(200, "inconclusive"), (4000, "pass")])
def test_one_mean_cost(n: int, outcome: str) -> None:
    found = mean_sequence(100.0, 50.0, n, 4000)
    observed = money(100.0, 0.0, n)
    observed["interval"] = interval(found.lo, found.hi, 100.0, None)
    assert judged("cost", {"at_most_micros": 120}, observed).outcome.value == outcome


@pytest.mark.parametrize(
    ("counts", "outcome"),
    [
        ((0, 5000, 0, 5000), "inconclusive"),
        ((20, 20000, 20, 20000), "pass"),
        ((9, 5000, 0, 5000), "inconclusive"),
        ((30, 5000, 0, 5000), "fail"),
        ((0, 5000, 30, 5000), "pass"),
    ],
)
def test_findings(counts: tuple[int, int, int, int], outcome: str) -> None:
    found = feedback_rate_ratio(*counts)
    observed = findings(counts, found.lo, found.hi, found.ratio)
    options = {"counts": "confirmed_findings", "ratio_at_most": 2.0}
    assert judged("feedback_rate", options, observed).outcome.value == outcome
    single = feedback_rate(counts[0], counts[1])
    observed = findings(counts, single.lo, single.hi, single.rate)
    options = {"counts": "confirmed_findings", "at_most_per_1000": 1000.0}
    assert judged("feedback_rate", options, observed).outcome.value == "pass"
