import pytest
from hypothesis import given
from hypothesis import strategies as st

from releases.statistics.tango import paired_binary, tango_p_above, tango_p_below
from releases.statistics.verdicts import Verdict, verdict_of


@pytest.mark.parametrize(
    "b, c, n, margin, delta, lo, hi, p, verdict",
    [
        (9, 26, 180, 0.03, -0.0944444, -0.161074, -0.0316650, 0.977783, "regression"),
        (0, 5, 60, 0.05, -5 / 60, -0.180689, -0.0181472, 0.881932, "worse"),
        (4, 1, 25, 0.1, 0.12, -0.0713388, 0.318604, 0.0145025, "non_inferior"),
    ],
)
def test_reference_intervals(b, c, n, margin, delta, lo, hi, p, verdict):
    result = paired_binary(b, c, n, margin)
    assert result.delta == pytest.approx(delta, rel=1e-5)
    assert (result.lo, result.hi) == pytest.approx((lo, hi), rel=1e-5)
    assert result.p_noninferior == pytest.approx(p, rel=1e-5)
    assert result.verdict == verdict


def test_agreement_everywhere_keeps_its_width():
    result = paired_binary(0, 0, 50)
    assert (result.lo, result.hi) == pytest.approx((-0.0713476, 0.0713476), rel=1e-5)


def test_a_clean_sweep_reaches_the_end_of_the_scale():
    assert paired_binary(20, 0, 20).hi == 1
    assert paired_binary(0, 20, 20).lo == -1


def test_below_ten_cases_is_insufficient():
    assert paired_binary(9, 0, 9).verdict == Verdict.INSUFFICIENT
    assert paired_binary(10, 0, 10).verdict == Verdict.BETTER


@pytest.mark.parametrize(
    "field, b, c, n, margin",
    [
        ("only_candidate", -1, 0, 10, 0),
        ("only_baseline", 0, 1.5, 10, 0),
        ("n", 6, 5, 10, 0),
        ("n", 0, 0, 0, 0),
        ("margin", 1, 1, 10, float("nan")),
        ("margin", 1, 1, 10, -0.1),
    ],
)
def test_bad_input_is_refused_by_name(field, b, c, n, margin):
    with pytest.raises(ValueError, match=f"^{field}: "):
        paired_binary(b, c, n, margin)


COUNTS = st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(0, 200)).filter(
    lambda counts: sum(counts) >= 10
)


@given(counts=COUNTS, margin=st.floats(0, 0.5))
def test_swapping_the_arms_negates_and_the_verdict_follows_the_interval(counts, margin):
    b, c, rest = counts
    n = b + c + rest
    result, swapped = paired_binary(b, c, n, margin), paired_binary(c, b, n, margin)
    assert (result.lo, result.hi) == pytest.approx((-swapped.hi, -swapped.lo), abs=1e-9)
    assert result.lo <= result.delta <= result.hi
    assert result.verdict == verdict_of(result.lo, result.hi, margin)


@given(counts=COUNTS, x=st.floats(-0.9, 0.9))
def test_the_one_sided_p_agrees_with_the_interval(counts, x):
    b, c, rest = counts
    n = b + c + rest
    result = paired_binary(b, c, n)
    if abs(result.lo - x) > 1e-6:
        assert (tango_p_above(b, c, n, x) < 0.025) == (result.lo > x)
    if abs(result.hi - x) > 1e-6:
        assert (tango_p_below(b, c, n, x) < 0.025) == (result.hi < x)
