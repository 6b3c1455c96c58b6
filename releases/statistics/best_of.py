"""What a win is worth that was picked from several tries; standard library only.

Source: `statistics.md` section 0: the best of five equal checkpoints shows a gain of 1.16 standard
errors.
"""

import functools
from dataclasses import dataclass
from statistics import NormalDist

from releases.statistics import checks

NORMAL = NormalDist()
STEPS = 4000
REACH = 8.0
MOST_TRIES = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class BestOf:
    """The best of several tries."""

    p_corrected: float
    """One-sided p for "better", times the tries (Bonferroni), at most 1."""
    luck: float
    """The gain that the best of so many equal ones shows by chance, in units of `se`."""


def best_of(p_better: float, n_tried: int, se: float = 1.0) -> BestOf:
    """Correct a one-sided p-value for having been picked as the best of `n_tried`.

    `se` is the difference's standard error, in score units. Raises ValueError naming the field.
    """
    # A p-value may be as small as it comes.
    chance = checks.number("p_better", p_better, at_least=0.0, at_most=1.0, smallest=0.0)
    tries = checks.count("n_tried", n_tried, at_least=1, at_most=MOST_TRIES)
    error = checks.number("se", se, at_least=0.0)
    return BestOf(p_corrected=min(1.0, chance * tries), luck=expected_best(tries) * error)


@functools.lru_cache(maxsize=256)
def expected_best(n: int) -> float:
    """Return the mean of the largest of n standard normal draws."""
    if n == 1:
        return 0.0
    width = 2 * REACH / STEPS
    places = [-REACH + width * (step + 0.5) for step in range(STEPS)]
    return sum(x * n * NORMAL.pdf(x) * NORMAL.cdf(x) ** (n - 1) for x in places) * width


def tries_clause(n_tried: int, luck: float, p_corrected: float, alpha: float) -> str:
    """Return what the tries take away, as a clause; `luck` in score units."""
    by_chance = f"the best of {n_tried} equal ones gains {100 * luck:.1f} pts by chance"
    holds = "still better" if p_corrected < alpha else "not shown to be better"
    return (
        f"one of {n_tried} variants tried on this suite ({by_chance}); after that correction "
        f"p {p_corrected:.2g}: {holds}"
    )
