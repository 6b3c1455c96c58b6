import math

import pytest

from releases.statistics.planning import (
    best_repeats,
    cases_for_noninferiority,
    cases_for_superiority,
    cases_to_settle,
    chance_to_pass,
    events_needed,
    minimum_detectable_effect,
    z_sum,
)


def test_superiority_counts_sampling_noise():
    assert cases_for_superiority(0.111, 0.1667, 0.1667, 1, 1, 0.03).n == 3876
    assert cases_for_superiority(1 / 9, 0, 0, 1, 1, 0.03).n == 969


@pytest.mark.parametrize(
    "disagree, margin, n",
    [
        (0.05, 0.01, 3925),
        (0.05, 0.02, 982),
        (0.05, 0.03, 437),
        (0.05, 0.05, 157),
        (0.10, 0.01, 7849),
        (0.10, 0.02, 1963),
        (0.10, 0.03, 873),
        (0.10, 0.05, 314),
        (0.20, 0.01, 15698),
        (0.20, 0.02, 3925),
        (0.20, 0.03, 1745),
        (0.20, 0.05, 628),
    ],
)
def test_noninferiority_table(disagree, margin, n):
    assert cases_for_noninferiority(margin, 0, disagree).n == n


def test_design_effect_multiplies_the_cases():
    assert cases_for_noninferiority(0.02, 0, 0.1, 2.0).n == 3925


def test_detectable_effect_of_500_cases():
    assert minimum_detectable_effect(500, 0.1, 1.4).mde == pytest.approx(0.0468795, rel=1e-5)


def test_a_slice_under_holm_sees_less():
    alone, one_of_ten = (minimum_detectable_effect(500, 0.1, 1.4, k).mde for k in (1, 10))
    assert one_of_ten / alone == pytest.approx((2.807034 + 0.841621) / (1.959964 + 0.841621))


def test_settling_takes_what_the_observed_effect_takes():
    se = math.sqrt(0.0816 / 600)
    assert cases_to_settle(600, se, -0.0083, 0.02) == pytest.approx(4679, abs=2)
    assert cases_to_settle(600, se, -0.02, 0.02) == math.inf


def test_600_cases_cannot_settle_two_points():
    # 10% of the cases disagree: an equal checkpoint passes a third of the time.
    assert chance_to_pass(600, 0.1, 0.02) == pytest.approx(1 / 3, abs=0.01)
    assert minimum_detectable_effect(600, 0.1).mde == pytest.approx(0.036, abs=5e-4)
    assert chance_to_pass(1963, 0.1, 0.02) == pytest.approx(0.8, abs=1e-3)
    assert chance_to_pass(600, 0.1, 0.02, -0.02) == pytest.approx(0.025)


@pytest.mark.parametrize(
    "ratio, events",
    [
        (1.25, (856, 1338, 2378, 4505)),
        (1.5, (228, 356, 633, 1198)),
        (2, (69, 108, 191, 361)),
    ],
)
def test_events_needed_table(ratio, events):
    assert tuple(events_needed(ratio, share) for share in (0.5, 0.2, 0.1, 0.05)) == events
    assert events_needed(1 / ratio, 0.5) == events[0]


def test_best_repeats_follow_the_costs():
    assert best_repeats(0.2, 0.2, 0.1, 4, 1) == pytest.approx(4)
    assert best_repeats(0.2, 0.2, 0.0, 4, 1) == math.inf


def test_planning_uses_the_exact_normal_quantiles():
    assert z_sum(0.95, 0.8) == pytest.approx(2.801585, rel=1e-6)


@pytest.mark.parametrize(
    "field, call",
    [
        ("delta", lambda: cases_for_superiority(0.1, 0.1, 0.1, 1, 1, 0)),
        ("k_baseline", lambda: cases_for_superiority(0.1, 0.1, 0.1, 1, 0, 0.1)),
        ("omega2", lambda: cases_for_superiority(math.nan, 0.1, 0.1, 1, 1, 0.1)),
        ("true_delta", lambda: cases_for_noninferiority(0.02, -0.02, 0.1)),
        ("variance", lambda: cases_for_noninferiority(0.02, 0, -0.1)),
        ("design_effect", lambda: cases_for_noninferiority(0.02, 0, 0.1, 0)),
        ("n", lambda: minimum_detectable_effect(0, 0.1)),
        ("variance", lambda: chance_to_pass(600, 0, 0.02)),
        ("ratio", lambda: events_needed(1, 0.5)),
        ("candidate_share", lambda: events_needed(2, 1)),
    ],
)
def test_an_impossible_plan_is_refused_by_name(field, call):
    with pytest.raises(ValueError, match=f"^{field}: "):
        call()
