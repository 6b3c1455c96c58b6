import pytest

from releases.statistics.variance import variance_components

CANDIDATE = ["0101", "1111", "0111", "00", "1110", "100", "111", "0100", "1001", "111", "11"]
CANDIDATE += ["0001", "10", "01"]
BASELINE = ["01", "11", "011", "01", "11", "01", "01", "10", "11", "111", "111", "101", "111", "01"]


def rows(texts):
    return [[float(c) for c in text] for text in texts]


def test_reference_components():
    result = variance_components(rows(CANDIDATE), rows(BASELINE))
    assert result.s2_candidate == pytest.approx(0.214286, rel=1e-5)
    assert result.s2_baseline == pytest.approx(0.261905, rel=1e-5)
    assert result.omega2 == 0


def test_spread_between_cases_is_what_noise_leaves():
    result = variance_components([[1, 1], [0, 0], [1, 1], [0, 0]], [[0, 0]] * 4)
    assert (result.s2_candidate, result.s2_baseline) == (0, 0)
    assert result.omega2 == pytest.approx(1 / 3)


def test_single_samples_leave_the_parts_unknown():
    result = variance_components([[1], [0]], [[0], [1]])
    assert (result.s2_candidate, result.s2_baseline, result.omega2) == (None, None, None)


def test_a_score_outside_its_range_is_refused_by_name():
    with pytest.raises(ValueError, match=r"^candidate\[1\]\[0\]: "):
        variance_components([[1], [2]], [[0], [1]])
