"""A simulated year of checkpoints: states change where the rules say, forecasts hold."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from releases.statistics.linking import link_suites
from releases.statistics.saturation import jump_above_trend
from releases.statistics.shelf_life import Audit, ShelfLife, shelf_life
from releases.statistics.suite_status import SuiteHealth, SuiteStatus, status_of

N_CASES = 600
DEAD_SHARE = 0.30
CEILING = 1 - DEAD_SHARE
EVERY_DAYS = 14.0
START = 0.5


def true_score(day: float, pace: float) -> float:
    """Logistic below the ceiling; the rest of the cases are dead: nobody ever passes them."""
    return CEILING / (1 + math.exp(-(pace * day - START)))


def year(dice: np.random.Generator, pace: float, n: int = 26) -> tuple[np.ndarray, np.ndarray]:
    """Days, and passes of each checkpoint on each case, a case the easier the sooner passed."""
    days = EVERY_DAYS * np.arange(n)
    n_live = round(N_CASES * CEILING)
    hardness = dice.logistic(size=n_live) * 0.8
    rows = np.zeros((n, N_CASES))
    for j, day in enumerate(days):
        ability = _ability(hardness, true_score(day, pace) / CEILING)
        rows[j, :n_live] = dice.random(n_live) < 1 / (1 + np.exp(hardness - ability))
    return days, rows


def _ability(hardness: np.ndarray, share: float) -> float:
    """The ability that passes that share of the live cases."""
    low, high = -20.0, 20.0
    for _ in range(60):
        middle = (low + high) / 2
        passed = float(np.mean(1 / (1 + np.exp(hardness - middle))))
        low, high = (middle, high) if passed < share else (low, middle)
    return (low + high) / 2


def audited(dice: np.random.Generator, scores: np.ndarray, n: int = 60) -> Audit:
    """People look at random failures of the best checkpoint; the dead ones are mislabelled."""
    best = int(np.argmax(scores.mean(axis=1)))
    failures = np.flatnonzero(scores[best] == 0)
    looked_at = dice.choice(failures, min(n, len(failures)), replace=False)
    dead = looked_at >= round(N_CASES * CEILING)
    return Audit(audited=len(looked_at), mislabelled=int(dead.sum()))


def test_the_forecast_covers_the_true_date_in_nine_of_ten_years() -> None:
    dice = np.random.default_rng(20260302)
    covered, forecasts = 0, 0
    for _ in range(200):
        pace = dice.uniform(0.008, 0.016)
        days, rows = year(dice, pace, n=10)
        found = shelf_life(days, rows, audit=audited(dice, rows))
        if found.forecast is None or found.forecast.date is None:
            continue
        forecasts += 1
        truth = _true_date(pace, found)
        assert found.forecast.lo is not None and found.forecast.hi is not None
        covered += found.forecast.lo <= truth <= found.forecast.hi
    assert forecasts >= 180
    print(f"{covered} of {forecasts} covered")  # noqa: T201
    assert covered >= 0.9 * forecasts, f"{covered} of {forecasts}"


def _true_date(pace: float, found: ShelfLife) -> float:
    """The day on which the true score stands one resolution below the true ceiling."""
    assert found.mde is not None
    share = (CEILING - found.mde) / CEILING
    return (math.log(share / (1 - share)) + START) / pace


def status(found: ShelfLife, audit: Audit, age_days: float = 10.0) -> SuiteStatus:
    return status_of(
        SuiteHealth(
            age_days=age_days,
            headroom=found.headroom,
            mde=found.mde or 0.0,
            live_share=1.0 if found.live_share is None else found.live_share,
            saturated_before=found.saturated_before,
            mislabel_share=audit.mislabelled / audit.audited if audit.audited else 0.0,
        )
    )


def test_states_change_through_the_year_where_the_rules_say() -> None:
    dice = np.random.default_rng(7)
    days, rows = year(dice, 0.014)
    seen: list[SuiteStatus] = []
    for n in range(2, len(days) + 1):
        # Half of the dead cases are known: fewer than half of the failures looked at are wrong.
        audit = Audit(audited=50, mislabelled=20)
        found = shelf_life(days[:n], rows[:n], audit=audit)
        seen.append(status(found, audit))
        assert found.mde is not None and found.live_share is not None
        before = seen[-2] if len(seen) > 1 else None
        if found.headroom < found.mde or found.live_share < 0.1:
            was = before in (SuiteStatus.SATURATED, SuiteStatus.EXPIRED)
            assert seen[-1] is (SuiteStatus.EXPIRED if was else SuiteStatus.SATURATED)
        elif found.headroom < 2 * found.mde or found.live_share < 0.25:
            assert seen[-1] is SuiteStatus.AGEING
        else:
            assert seen[-1] is SuiteStatus.FRESH
    order = list(dict.fromkeys(seen))
    assert order[0] is SuiteStatus.FRESH and SuiteStatus.AGEING in order


def test_a_year_ends_saturated_then_expired() -> None:
    dice = np.random.default_rng(11)
    days, rows = year(dice, 0.02)
    seen = []
    for n in range(2, len(days) + 1):
        audit = Audit(audited=200, mislabelled=99)
        rest = rows[:n, : round(N_CASES * 0.8)]
        found = shelf_life(days[:n], rest, audit=audit)
        seen.append(status(found, audit))
    changes = [state for i, state in enumerate(seen) if i == 0 or seen[i - 1] is not state]
    assert changes[0] is SuiteStatus.FRESH
    assert changes.index(SuiteStatus.SATURATED) < changes.index(SuiteStatus.EXPIRED)


def test_a_review_lifts_what_was_saturated_before_it() -> None:
    rows = np.ones((3, 50))
    rows[:, 0] = 0
    rows[1, 1] = rows[2, 2] = 0
    days = [0.0, 10.0, 20.0]
    assert shelf_life(days, rows).is_saturated
    assert shelf_life(days, rows).saturated_before
    assert not shelf_life(days, rows, counts_before=False).saturated_before


def test_one_checkpoint_tells_no_resolution() -> None:
    found = shelf_life([0.0], np.array([[0.0, 1.0, 1.0, 0.5]]))
    assert (found.mde, found.live_share, found.forecast, found.is_saturated) == (
        None,
        None,
        None,
        False,
    )
    assert found.n_constant == 0


def test_the_audit_bounds_the_ceiling() -> None:
    rows = np.repeat([[1.0] * 92 + [0.0] * 8], 2, axis=0)
    found = shelf_life([0.0, 9.0], rows, audit=Audit(audited=50, mislabelled=20))
    assert found.ceiling == pytest.approx(0.968)
    exact = stats.binomtest(20, 50).proportion_ci()
    assert found.ceiling_hi == pytest.approx(1 - 0.08 * exact.low, abs=1e-9)
    assert found.ceiling_lo == pytest.approx(1 - 0.08 * exact.high, abs=1e-9)
    unaudited = shelf_life([0.0, 9.0], rows)
    assert (unaudited.ceiling, unaudited.ceiling_lo, unaudited.ceiling_hi) == (1, 0.92, 1)


def test_missing_scores_are_never_zeros() -> None:
    rows = np.array([[1.0, 0.0, 1.0, 0.0, np.nan], [1.0, 0.0, np.nan, 1.0, 1.0]])
    found = shelf_life([0.0, 1.0], rows)
    assert found.scores == (0.5, 0.75)
    assert found.n_constant == 2
    assert found.live_share == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    "days, scores, said",
    [
        ([0.0], [[0.0, 1.0], [1.0, 1.0]], "scores: needs one row"),
        ([0.0], [[0.0, 1.5]], "scores: must lie in"),
        ([0.0], [[np.nan, 1.0]], "scores: needs at least two answered"),
        ([math.nan], [[0.0, 1.0]], "days"),
    ],
)
def test_garbage_is_named(days: list[float], scores: list[list[float]], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        shelf_life(days, np.array(scores))


def test_a_leap_above_the_trend_shows_and_a_steady_climb_does_not() -> None:
    days, se = [0.0, 14.0, 28.0, 42.0, 56.0], [0.02] * 5
    assert jump_above_trend(days, [0.40, 0.45, 0.50, 0.55, 0.60], se, 1.0) < 1
    assert jump_above_trend(days, [0.40, 0.45, 0.50, 0.55, 0.90], se, 1.0) > 3


def test_versions_are_linked_by_what_the_shared_cases_did() -> None:
    dice = np.random.default_rng(3)
    older = dice.random(200)
    newer = np.clip(older + 0.05 + dice.normal(0, 0.02, 200), 0, 1)
    shift = float((newer - older).mean())
    found = link_suites(older, newer, older_mean=0.60, newer_mean=0.55)
    # The same checkpoints would have 5 points more; the newer version shows 5 points less.
    assert found.offset == pytest.approx(shift + 0.05)
    expected = float((newer - older).std(ddof=1)) / math.sqrt(200)
    assert found.linking_error == pytest.approx(expected)
    with pytest.raises(ValueError, match="^older_common: needs at least 10"):
        link_suites([0.5] * 9, [0.5] * 9, 0.5, 0.5)
