import math

import pytest

from releases.statistics.agreement import cohen_kappa, krippendorff_alpha
from releases.statistics.feedback import dispersion, feedback_rate, feedback_rate_ratio
from releases.statistics.judge_correction import ppi_mean, rogan_gladen
from releases.statistics.paired import paired_delta
from releases.statistics.saturation import saturation_date
from releases.statistics.suite_items import score_ceiling
from releases.statistics.suite_status import SuiteHealth, SuiteStatus, status_of

HEALTHY = {"age_days": 10, "headroom": 0.2, "mde": 0.03, "live_share": 0.6}


@pytest.mark.parametrize(
    "change, status",
    [
        ({}, SuiteStatus.FRESH),
        ({"contaminated": True}, SuiteStatus.EXPIRED),
        ({"mislabel_share": 0.5}, SuiteStatus.EXPIRED),
        ({"saturated_before": True}, SuiteStatus.FRESH),
        ({"days_to_saturation": 30}, SuiteStatus.AGEING),
        ({"days_to_saturation": 31}, SuiteStatus.FRESH),
        ({"age_days": 21, "shelf": 30}, SuiteStatus.AGEING),
        ({"age_days": 31, "shelf": 30}, SuiteStatus.EXPIRED),
    ],
)
def test_suite_status_rules(change, status):
    assert status_of(SuiteHealth(**{**HEALTHY, **change})) == status


def test_a_status_from_no_number_is_refused():
    with pytest.raises(ValueError, match="^mde: "):
        status_of(SuiteHealth(**{**HEALTHY, "mde": math.nan}))


def test_no_audit_keeps_the_ceiling_at_one():
    assert score_ceiling(0.08, 0, 0).ceiling == 1


def test_a_score_above_the_ceiling_has_no_date():
    scores = [0.5, 0.6, 0.7, 0.8, 0.985]
    assert saturation_date([0, 9, 18, 27, 36], scores, [0.02] * 5, 0.98, 0.95).date is None
    assert saturation_date([0, 9, 18, 27, 36], scores, [0.02] * 5, 0.99, 0.95).date is not None


def test_three_checkpoints_have_no_date():
    assert saturation_date([0, 9, 18], [0.5, 0.6, 0.7], [0.001] * 3, 0.98, 0.95).date is None


def test_full_agreement_and_undefined_agreement_differ():
    assert krippendorff_alpha([[1, 2, 1], [1, 2, 1]]).nominal == 1
    assert krippendorff_alpha([[1, 1, 1], [1, 1, 1]]).nominal is None
    assert cohen_kappa([[20, 0], [0, 20]]).kappa == 1


def test_a_constant_judge_leaves_the_plain_human_interval():
    human = [0.1, 0.4, -0.2, 0.3, 0.0, 0.5, 0.2, -0.1, 0.3, 0.2]
    result, plain = ppi_mean(human, [0.5] * 10, [0.5] * 40), paired_delta(human)
    assert (result.lam, result.lo, result.hi) == pytest.approx((0, plain.lo, plain.hi))
    assert ppi_mean(human, human).lam == 0


def test_a_judge_no_better_than_chance_says_nothing():
    result = rogan_gladen(500, 1000, 50, 100, 50, 100)
    assert (result.est, result.lo, result.hi) == (None, 0, 1)


def test_no_exposure_has_no_rate_and_no_reports_have_no_ratio():
    assert feedback_rate(0, 0).rate is None
    assert feedback_rate_ratio(0, 0, 5, 100).p is None
    quiet = feedback_rate_ratio(0, 100, 0, 100)
    assert (quiet.ratio, quiet.lo, quiet.hi, quiet.p) == (None, 0, math.inf, 1)
    assert dispersion([0, 0], [1, 2]).dispersion is None
