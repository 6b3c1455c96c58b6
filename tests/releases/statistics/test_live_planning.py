"""How much more traffic settles a question, against the very methods that will settle it."""

from __future__ import annotations

import math

import pytest

from releases.statistics.feedback import feedback_rate, feedback_rate_ratio
from releases.statistics.live_planning import (
    events_at_once,
    exposure_to_clear,
    growth_to_clear,
    mean_half_width,
    units_to_clear,
)
from releases.statistics.mean_sequence import mean_difference_sequence
from releases.statistics.rate_sequence import rate_sequence


@pytest.mark.parametrize(("rate", "limit"), [(0.01, 0.02), (0.0, 0.02), (0.03, 0.02), (0.4, 0.5)])
def test_the_planned_units_clear_the_limit_and_a_tenth_fewer_do_not(
    rate: float, limit: float
) -> None:
    needed = units_to_clear(rate, limit, limit, 4000)
    for n, is_clear in ((needed * 1.02, True), (needed * 0.9, False)):
        found = rate_sequence(round(rate * n), round(n), limit, 4000)
        assert (found.hi < limit or found.lo > limit) is is_clear


def test_a_rate_on_its_limit_never_clears_it() -> None:
    assert units_to_clear(0.02, 0.02, 0.02, 4000) == math.inf
    assert exposure_to_clear(10, 10000, 0.001) == math.inf


@pytest.mark.parametrize(("count", "exposure", "limit"), [(70, 120000, 0.0007), (0, 900, 0.0015)])
def test_the_planned_exposure_clears_the_limit(count: int, exposure: int, limit: float) -> None:
    needed = exposure_to_clear(count, exposure, limit)
    for size, is_clear in ((1.05 * needed, True), (0.9 * needed, False)):
        found = feedback_rate(round(count / exposure * size), size)
        assert (found.hi is not None and found.hi < 1000 * limit) is is_clear


def test_the_planned_growth_brings_the_interval_inside_the_gap() -> None:
    se = math.sqrt(2 * 0.5**2 / 300)
    times = growth_to_clear(se, 600, 0.1, 4000)
    found = mean_difference_sequence(
        6.6, 0.5, round(300 * times), 6.6, 0.5, round(300 * times), 4000
    )
    assert found.hi is not None and 0.07 < found.hi < 0.1
    assert mean_half_width(se / math.sqrt(times), 600 * times, 4000) == pytest.approx(found.hi)


def test_the_events_of_one_look_rule_the_ratio_out_four_times_in_five() -> None:
    events = events_at_once(2.0, 0.5)
    assert events == pytest.approx(65.3, abs=0.1)
    # At their expectation, no difference, the interval excludes 2 with room to spare.
    half = round(events / 2)
    hi = feedback_rate_ratio(half, 1000, half, 1000).hi
    assert hi is not None and hi < 2
    assert events_at_once(1.0, 0.5) == math.inf


@pytest.mark.parametrize("bad", [(0.0, 0.5), (2.0, 0.0), (2.0, 1.0), (math.nan, 0.5)])
def test_bad_input_is_refused(bad: tuple[float, float]) -> None:
    with pytest.raises(ValueError):
        events_at_once(*bad)
