"""Margins on the odds scale and back; standard library only, importable by pure code."""

from dataclasses import dataclass

from releases.statistics import checks


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginOdds:
    """The odds ratio that a margin amounts to at a reference rate."""

    from_points: float
    """For a rise of `points`."""
    from_ratio: float
    """For a rate `ratio` times as high."""


def margin_odds(p_ref: float, points: float, ratio: float) -> MarginOdds:
    """Return margins as odds ratios at a reference rate fixed before the stage.

    `p_ref` in 0..1, `points` as a share of 1 (0.005 is half a point), `ratio` of the rates.
    Raises ValueError naming the field when the margin leaves no rate between 0 and 1.
    """
    rate = checks.number("p_ref", p_ref, above=0.0, below=1.0)
    raised = rate + checks.number("points", points)
    scaled = rate * checks.number("ratio", ratio, above=0.0)
    for field, value in (("points", raised), ("ratio", scaled)):
        if not 0 < value < 1:
            raise ValueError(f"{field}: takes the rate to {value:g}, outside 0..1")
    odds = rate / (1 - rate)
    return MarginOdds(
        from_points=raised / (1 - raised) / odds, from_ratio=scaled / (1 - scaled) / odds
    )


def rate_at_odds_ratio(p_ref: float, odds_ratio: float) -> float:
    """Return the rate whose odds are `odds_ratio` times those of `p_ref`; both rates in 0..1.

    Raises ValueError naming the field.
    """
    rate = checks.number("p_ref", p_ref, above=0.0, below=1.0)
    ratio = checks.number("odds_ratio", odds_ratio, at_least=0.0)
    return ratio * rate / (1 - rate + ratio * rate)
