import math

import pytest

from releases.statistics.missing import missing_bounds, uneven_missing_p


def test_reference_bounds():
    result = missing_bounds([0, 0.2, -0.1, 0, 0.1, 0], [1], [0.5, 0.2], 0)
    assert (result.lo, result.hi) == pytest.approx((-0.233333, 0.1), rel=1e-5)


def test_a_case_missing_in_both_arms_may_be_anything():
    result = missing_bounds([0.0], missing_both=1)
    assert (result.lo, result.hi) == (-0.5, 0.5)


def test_one_arm_missing_more_is_noticed():
    assert uneven_missing_p(6, 0) == pytest.approx(0.03125)
    assert uneven_missing_p(3, 3) == 1
    assert uneven_missing_p(0, 0) == 1


@pytest.mark.parametrize(
    "field, arguments",
    [
        ("d_observed", ([],)),
        ("d_observed", ([math.nan],)),
        ("baseline_scores_where_candidate_missing", ([0.0], [1.2])),
        ("missing_both", ([0.0], [], [], -1)),
    ],
)
def test_bad_input_is_refused_by_name(field, arguments):
    with pytest.raises(ValueError, match=rf"^{field}(\[\d\])?: "):
        missing_bounds(*arguments)
