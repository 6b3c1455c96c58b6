"""A judge's numbers corrected by people's labels: they cover the truth, and cost width."""

from collections.abc import Callable

import numpy as np
import pytest

from releases.statistics.judged import (
    Judged,
    borrowed_delta,
    borrowed_mean,
    judged_delta,
    judged_mean,
)
from releases.statistics.mean_score import mean_score
from releases.statistics.paired import paired_delta

RUNS = 500
COVERED = 0.93
Simulated = tuple[Judged, float, float]
"""The corrected result, the truth, and the width with perfect labels."""


def _says(rng: np.random.Generator, truth: np.ndarray, right: float) -> np.ndarray:
    return np.where(rng.random(len(truth)) < right, truth, 1 - truth)


def own_labels(rng: np.random.Generator, n: int, right: float) -> Simulated:
    truth = (rng.random(800) < 0.7).astype(float)
    says = _says(rng, truth, right)
    perfect = mean_score(truth)
    return judged_mean(truth[:n], says[:n], says[n:]), 0.7, perfect.hi - perfect.lo


def own_clusters(rng: np.random.Generator, n: int, right: float) -> Simulated:
    """Eight cases a document; the judge misreads whole documents."""
    documents = np.repeat(np.arange(100), 8)
    hard = rng.beta(4, 2, 100)
    truth = (rng.random(800) < hard[documents]).astype(float)
    says = np.where(rng.random(100)[documents] < right, truth, 1 - truth)
    perfect = mean_score(truth, documents.tolist())
    found = judged_mean(
        truth[:n], says[:n], says[n:], documents[:n].tolist(), documents[n:].tolist()
    )
    return found, 4 / 6, perfect.hi - perfect.lo


def own_pairs(rng: np.random.Generator, n: int, right: float) -> Simulated:
    """The judge is kinder to the candidate; both arms of the labelled cases are labelled."""
    old = (rng.random(800) < 0.7).astype(float)
    new = np.where(rng.random(800) < 0.8, old, (rng.random(800) < 0.5).astype(float))
    kind = np.where(rng.random(800) < 0.15, 1.0, _says(rng, new, right))
    d, says = new - old, kind - _says(rng, old, right)
    perfect = paired_delta(d)
    return judged_delta(d[:n], says[:n], says[n:]), 0.8 * 0.7 + 0.2 * 0.5 - 0.7, _width(perfect)


def other_labels(rng: np.random.Generator, n: int, right: float) -> Simulated:
    truth = (rng.random(800) < 0.7).astype(float)
    perfect = mean_score(truth)
    found = borrowed_mean(_says(rng, truth, right), **_rates(rng, n, right))
    return found, 0.7, perfect.hi - perfect.lo


def other_pairs(rng: np.random.Generator, n: int, right: float) -> Simulated:
    old = (rng.random(800) < 0.7).astype(float)
    new = np.where(rng.random(800) < 0.8, old, (rng.random(800) < 0.5).astype(float))
    says = _says(rng, new, right) - _says(rng, old, right)
    found = borrowed_delta(says, **_rates(rng, n, right))
    return found, 0.8 * 0.7 + 0.2 * 0.5 - 0.7, _width(paired_delta(new - old))


def _rates(rng: np.random.Generator, n: int, right: float) -> dict[str, int]:
    positives = int(rng.binomial(n - 2, 0.6)) + 1
    negatives = n - positives
    return {
        "true_pos": int(rng.binomial(positives, right)),
        "positives": positives,
        "true_neg": int(rng.binomial(negatives, right)),
        "negatives": negatives,
    }


def _width(found: object) -> float:
    return found.hi - found.lo  # type: ignore[attr-defined]


CASES: list[tuple[Callable[..., Simulated], int, float]] = [
    (own_labels, 50, 0.85),
    (own_labels, 100, 0.95),
    (own_labels, 60, 1.0),
    (own_clusters, 200, 0.9),
    (own_pairs, 100, 0.85),
    (other_labels, 100, 0.85),
    (other_pairs, 100, 0.85),
]


@pytest.mark.parametrize("draw, n, right", CASES, ids=lambda value: getattr(value, "__name__", ""))
def test_the_interval_covers_the_truth_and_is_wider_than_with_perfect_labels(
    draw: Callable[..., Simulated], n: int, right: float
) -> None:
    rng = np.random.default_rng(20261123)
    found = [draw(rng, n, right) for _ in range(RUNS)]
    covered = sum(one.lo <= truth <= one.hi for one, truth, _ in found) / RUNS
    wider = sum(one.hi - one.lo > perfect for one, _, perfect in found) / RUNS
    assert covered >= COVERED
    assert wider == 1.0


def test_no_error_among_the_labels_is_not_taken_for_a_perfect_judge() -> None:
    labels = [1.0] * 40 + [0.0] * 20
    found = judged_mean(labels, labels, [1.0] * 400 + [0.0] * 200)
    perfect = mean_score(labels + [1.0] * 400 + [0.0] * 200)
    assert found.hi - found.lo > 1.5 * (perfect.hi - perfect.lo)


def test_no_further_cases_leave_the_people_alone() -> None:
    labels = [1.0, 0.0] * 30
    found = judged_mean(labels, [0.5] * 60)
    plain = mean_score(labels, [str(i) for i in range(60)])
    assert (found.lam, found.est) == (0.0, 0.5)
    assert found.hi - found.lo == pytest.approx(plain.hi - plain.lo)


def test_tails_agree_with_the_interval() -> None:
    d = np.random.default_rng(1).choice([1.0, 0.0, -1.0], 300, p=[0.3, 0.6, 0.1])
    found = judged_delta(d[:100], d[:100] * 0.5, d[100:] * 0.5)
    assert found.p_above(found.lo) == pytest.approx(0.025, abs=1e-6)
    assert found.p_below(found.hi) == pytest.approx(0.025, abs=1e-6)
    assert found.p_above(0.0) < 0.001 < 0.999 < found.p_below(0.0)


@pytest.mark.parametrize("right", [25, 20])
def test_a_judge_at_chance_corrects_nothing(right: int) -> None:
    rates = {"true_pos": right, "positives": 50, "true_neg": right, "negatives": 50}
    for method in (borrowed_mean, borrowed_delta):
        with pytest.raises(ValueError, match="no better than chance"):
            method([0.0, 1.0, 1.0], **rates)
