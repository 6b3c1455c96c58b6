"""What blind votes amount to and how many it takes; standard library only."""

import math
from dataclasses import dataclass

from releases.statistics import checks
from releases.statistics.planning import POWER, CasesNeeded, z_sum


@dataclass(frozen=True, slots=True, kw_only=True)
class Elo:
    """Rating difference that a win score amounts to."""

    elo: float
    """Points; infinite for a clean sweep."""


def votes_needed(
    edge: float, tie_share: float, confidence: float = 0.95, power: float = POWER
) -> CasesNeeded:
    """Return the votes to show a win score of 0.5 + edge when `tie_share` of the votes are ties.

    Raises ValueError naming the field.
    """
    gap = abs(checks.number("edge", edge, at_least=-0.5, at_most=0.5))
    ties = checks.number("tie_share", tie_share, at_least=0.0, below=1.0)
    if gap == 0:
        raise ValueError("edge: must not be 0: no number of votes shows no preference")
    return CasesNeeded(n=math.ceil(z_sum(confidence, power) ** 2 * (1 - ties) / 4 / gap**2))


def elo(win: float) -> Elo:
    """Return the Elo difference of a win score in 0..1; raises ValueError naming the field."""
    share = checks.number("win", win, at_least=0.0, at_most=1.0)
    if share in (0.0, 1.0):
        return Elo(elo=math.inf if share else -math.inf)
    return Elo(elo=400 * math.log10(share / (1 - share)))
