import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from releases.statistics.multiplicity import benjamini_hochberg, holm

P = [0.001, 0.04, 0.02, 0.3, 0.008, 0.6]


def test_holm_reference():
    assert holm(P).adjusted == pytest.approx((0.006, 0.12, 0.08, 0.6, 0.04, 0.6))


def test_benjamini_hochberg_reference():
    assert benjamini_hochberg(P).adjusted == pytest.approx((0.006, 0.06, 0.04, 0.36, 0.024, 0.6))


def test_no_questions_give_no_answers():
    assert holm([]).adjusted == benjamini_hochberg([]).adjusted == ()


@given(p=st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_adjusting_never_lowers_and_keeps_the_order(p):
    for adjusted in (holm(p).adjusted, benjamini_hochberg(p).adjusted):
        assert all(a >= raw or a == pytest.approx(raw) for a, raw in zip(adjusted, p, strict=True))
        ordered = [a for _, a in sorted(zip(p, adjusted, strict=True))]
        assert ordered == sorted(ordered)


@pytest.mark.parametrize("bad", [math.nan, -0.1, 1.1])
def test_a_p_outside_its_range_is_refused_by_name(bad):
    with pytest.raises(ValueError, match=r"^p\[0\]: "):
        holm([bad])
