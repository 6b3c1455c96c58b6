"""Failure rates hold what they promise, and the ledger is what anybody else would compute."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from typing import Any

import numpy as np
import pytest
from scipy import stats

from releases.statistics.failure_rates import blind_below, failure_rate, grouped_failure_rate
from releases.statistics.forecasts import forecast_ledger, match_forecast

# name, clusters, mean size, correlation within a cluster, true rate
WORLDS = [
    ("independent", 0, 400, 0.0, 0.01),
    ("alike_partners", 8, 30, 0.0, 0.02),
    ("partners_differ", 20, 20, 0.05, 0.05),
    ("few_partners_differ_much", 6, 50, 0.1, 0.1),
    ("rare", 12, 25, 0.02, 0.005),
]


def covered(world: tuple[str, int, int, float, float], n_runs: int, seed: int) -> float:
    """How often the 95% interval holds the true rate."""
    _, n_clusters, size, correlation, rate = world
    dice, hits = np.random.default_rng(seed), 0
    for _ in range(n_runs):
        if not n_clusters:
            found = failure_rate((dice.random(size) < rate).astype(float))
        else:
            sizes = np.maximum(1, dice.poisson(size, n_clusters))
            spread = 1 / correlation - 1 if correlation else math.inf
            rates = (
                dice.beta(rate * spread, (1 - rate) * spread, n_clusters)
                if correlation
                else np.full(n_clusters, rate)
            )
            failed = [dice.random(m) < p for m, p in zip(sizes, rates, strict=True)]
            clusters = np.repeat(np.arange(n_clusters), sizes).tolist()
            found = failure_rate(np.concatenate(failed).astype(float), clusters)
        hits += found.lo <= rate <= found.hi
    return hits / n_runs


@pytest.mark.parametrize("world", WORLDS, ids=[world[0] for world in WORLDS])
def test_intervals_of_replayed_rates_cover_the_truth(world: Any) -> None:
    assert covered(world, 800, seed=6) >= 0.93


@pytest.mark.long
@pytest.mark.parametrize("world", WORLDS, ids=[world[0] for world in WORLDS])
def test_intervals_of_replayed_rates_cover_the_truth_at_length(world: Any) -> None:
    assert covered(world, 10_000, seed=6) >= 0.93


def test_an_interval_that_ignored_the_partners_would_not_cover() -> None:
    dice, hits = np.random.default_rng(7), 0
    for _ in range(300):
        rates = dice.beta(0.1 * 9, 0.9 * 9, 6)
        failed = np.concatenate([dice.random(50) < rate for rate in rates])
        hits += failure_rate(failed.astype(float)).lo <= 0.1 <= failure_rate(failed * 1.0).hi
    assert hits / 300 < 0.85, "else this world could not tell the two intervals apart"


def ends(events: int, n: int, method: Any) -> tuple[float, float]:
    """SciPy's interval of a share."""
    found = stats.binomtest(events, n).proportion_ci(method=method)
    return found.low, found.high


@pytest.mark.parametrize("events", [0, 1, 7, 60])
def test_without_clusters_it_is_the_exact_interval(events: int) -> None:
    found = failure_rate([1.0] * events + [0.0] * (60 - events))
    assert (found.lo, found.hi) == pytest.approx(ends(events, 60, "exact"))
    assert found.method == "exact"


@pytest.mark.parametrize("n", [1, 10, 100, 3_000, 1_300_000])
def test_blind_below_is_the_rarest_rate_that_is_likely_seen(n: int) -> None:
    found = blind_below(n)
    assert 1 - (1 - 1 / found) ** n >= 0.95
    assert 1 - (1 - 1 / (found + 1)) ** n < 0.95
    assert found == pytest.approx(n / 3, rel=0.02, abs=1), "the rule of three"


def test_below_five_partners_units_are_taken_as_independent() -> None:
    few = grouped_failure_rate([3, 1], [100, 60])
    assert (few.method, few.n) == ("exact", 160)
    many = grouped_failure_rate([3, 0, 0, 0, 0], [40, 30, 30, 30, 30])
    assert many.method == "korn_graubard"
    assert many.hi > grouped_failure_rate([3], [160]).hi


@pytest.mark.parametrize(
    ("events", "sizes", "field"),
    [([2], [1], "events"), ([1, 1], [5], "events"), ([0], [0], "sizes"), ([], [], "events")],
)
def test_counts_that_cannot_be_are_refused(events: Any, sizes: Any, field: str) -> None:
    with pytest.raises(ValueError, match=field):
        grouped_failure_rate(events, sizes)


# Newcombe 1998, table II, method 10: two counts and the ends of their difference.
NEWCOMBE = [
    (56, 70, 48, 80, 0.0524, 0.3339),
    (9, 10, 3, 10, 0.1705, 0.8090),
    (6, 7, 2, 7, 0.0582, 0.8062),
    (5, 56, 0, 29, -0.0381, 0.1926),
    (0, 10, 0, 20, -0.1611, 0.2775),
    (10, 10, 0, 20, 0.6791, 1.0000),
]


@pytest.mark.parametrize(("x1", "n1", "x0", "n0", "low", "high"), NEWCOMBE)
def test_agreement_is_newcombes_interval_of_two_shares(
    x1: int, n1: int, x0: int, n0: int, low: float, high: float
) -> None:
    """Two forecasts agree by the published ends of their difference, in both directions."""
    one, other = [x1 / n1, *ends(x1, n1, "wilson")], [x0 / n0, *ends(x0, n0, "wilson")]
    assert match_forecast(other, one, n0, n1).agrees == (low <= 0 <= high)
    assert match_forecast(one, other, n1, n0).agrees == (low <= 0 <= high)


def test_forecasts_that_are_right_agree_about_as_often_as_promised() -> None:
    dice, hits, inside = np.random.default_rng(11), 0, 0
    for _ in range(1_000):
        ours = failure_rate((dice.random(300) < 0.05).astype(float))
        theirs = failure_rate((dice.random(200) < 0.05).astype(float))
        found = match_forecast(
            [ours.rate, ours.lo, ours.hi], [theirs.rate, theirs.lo, theirs.hi], 300, 200
        )
        hits += found.agrees
        inside += found.inside
    assert hits / 1_000 >= 0.93
    assert inside < hits, "the observation has a noise of its own"


def rows(seed: int = 1) -> list[dict[str, Any]]:
    """Predictions of three kinds over 40 promotions, one of them badly off."""
    dice, found = random.Random(seed), []
    for promotion in range(40):
        for kind, n, off in (("error_rate", 1, 1.0), ("failure_mode", 4, 1.0), ("win_rate", 1, 4)):
            for _ in range(n):
                p, n_p, n_o = 0.03, dice.randint(200, 400), dice.randint(200, 400)
                x_p = sum(dice.random() < p for _ in range(n_p))
                x_o = sum(dice.random() < p * off for _ in range(n_o))
                ours, theirs = (
                    failure_rate([1.0] * x + [0.0] * (size - x))
                    for x, size in ((x_p, n_p), (x_o, n_o))
                )
                one = [ours.rate, ours.lo, ours.hi], [theirs.rate, theirs.lo, theirs.hi]
                match = match_forecast(*one, n_p, n_o)
                found.append(
                    {"kind": kind, "promotion": str(promotion), "agrees": match.agrees,
                     "inside": match.inside, "factor": match.factor,
                     "raw": (*one, n_p, n_o)}
                )  # fmt: skip
    return found


def test_the_ledger_equals_an_independent_computation() -> None:
    """The same coverage and error from the raw numbers, by other formulas and another library."""
    given = rows()
    by_kind: dict[str, list[Any]] = defaultdict(list)
    for row in given:
        by_kind[row["kind"]].append((row["promotion"], *row["raw"]))
    scores = {row["kind"]: row for row in forecast_ledger(given).kinds}
    assert list(scores) == sorted(by_kind)
    for kind, raw in by_kind.items():
        held, errors = [], []
        for _, (p, p_lo, p_hi), (o, o_lo, o_hi), n_p, n_o in raw:
            toward = (p_hi - p, o - o_lo) if o > p else (p - p_lo, o_hi - o)
            held.append((o - p) ** 2 <= toward[0] ** 2 + toward[1] ** 2)
            if p == 0 or o == 0:
                p, o = (p * n_p + 0.5) / (n_p + 1), (o * n_o + 0.5) / (n_o + 1)
            errors.append(math.exp(abs(math.log(o) - math.log(p))))
        score = scores[kind]
        assert score["coverage"] == pytest.approx(float(np.mean(held)))
        assert score["median_factor"] == pytest.approx(float(np.median(errors)))
        if len({promotion for promotion, *_ in raw}) == len(raw):
            exact = stats.binomtest(sum(held), len(held)).proportion_ci(method="exact")
            assert (score["lo"], score["hi"]) == pytest.approx((exact.low, exact.high))
    assert scores["win_rate"]["keeps_missing"]
    assert not scores["error_rate"]["keeps_missing"]
    assert not scores["failure_mode"]["keeps_missing"]


@pytest.mark.parametrize(
    ("n_held", "n_promotions", "keeps_missing"),
    [(0, 3, False), (0, 4, False), (3, 5, False), (2, 5, True), (0, 5, True), (16, 20, False)],
)
def test_a_kind_is_doubted_by_its_interval_alone(
    n_held: int, n_promotions: int, keeps_missing: bool
) -> None:
    given = [
        {"kind": "error_rate", "promotion": str(at), "agrees": at < n_held, "inside": at < n_held,
         "factor": 1.5}
        for at in range(n_promotions)
    ]  # fmt: skip
    [score] = forecast_ledger(given).kinds
    assert score["keeps_missing"] is keeps_missing, score["sentence"]
    assert ("too few promotions" in score["sentence"]) == (n_promotions < 5)


def test_many_forecasts_of_few_promotions_do_not_condemn_a_kind() -> None:
    given = [
        {"kind": "failure_mode", "promotion": str(at % 3), "agrees": False, "inside": False,
         "factor": 3.0}
        for at in range(60)
    ]  # fmt: skip
    [score] = forecast_ledger(given).kinds
    assert (score["n"], score["n_promotions"], score["keeps_missing"]) == (60, 3, False)
