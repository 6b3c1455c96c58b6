import pytest

from releases.statistics.margins import margin_odds, rate_at_odds_ratio


def test_reference_margins():
    result = margin_odds(0.02, 0.005, 1.25)
    assert (result.from_points, result.from_ratio) == pytest.approx((1.25641, 1.25641), rel=1e-5)


@pytest.mark.parametrize("p_ref, points", [(0.02, 0.005), (0.3, -0.1), (0.9, 0.05)])
def test_odds_go_back_to_the_rate_they_came_from(p_ref, points):
    odds_ratio = margin_odds(p_ref, points, 1).from_points
    assert rate_at_odds_ratio(p_ref, odds_ratio) == pytest.approx(p_ref + points)


@pytest.mark.parametrize(
    "field, call",
    [
        ("points", lambda: margin_odds(0.02, 0.99, 1)),
        ("ratio", lambda: margin_odds(0.02, 0, 50)),
        ("p_ref", lambda: rate_at_odds_ratio(0, 2)),
        ("odds_ratio", lambda: rate_at_odds_ratio(0.1, float("inf"))),
    ],
)
def test_a_margin_without_a_rate_is_refused_by_name(field, call):
    with pytest.raises(ValueError, match=f"^{field}: "):
        call()
