"""How much more live traffic settles what was seen; standard library only, as gates say it."""

import math
from collections.abc import Callable
from statistics import NormalDist

from releases.statistics import checks
from releases.statistics.planning import POWER, z_sum

MOST = 10**12


def events_at_once(
    ratio: float, candidate_share: float, confidence: float = 0.95, power: float = POWER
) -> float:
    """Return the events that rule out a rate ratio in one look; infinite for a ratio of 1.

    Raises ValueError naming the field. Source: normal approximation of the log rate ratio.
    """
    distance = math.log(checks.number("ratio", ratio, above=0.0)) ** 2
    share = checks.number("candidate_share", candidate_share, above=0.0, below=1.0)
    information = share * (1 - share) * distance
    return z_sum(confidence, power) ** 2 / information if information else math.inf


def units_to_clear(
    rate: float, limit: float, p_star: float, n_opt: int, confidence: float = 0.95
) -> float:
    """Return the units at which a rate that stays as it is clears the limit, on either side.

    All rates in 0..1. Infinite when no reasonable number does. Source: Robbins' mixture.
    """
    level = -2 * math.log(1 - confidence)
    strength = n_opt / (level + math.log(level + 1))
    a, b = max(0.5, p_star * strength), max(0.5, (1 - p_star) * strength)
    prior = _log_beta(a, b)

    def is_clear(n: float) -> bool:
        x = rate * n
        log_mixture = _log_beta(a + x, b + n - x) - prior
        log_mixture -= x * math.log(limit) + (n - x) * math.log1p(-limit)
        return log_mixture >= -math.log(1 - confidence)

    return _first(is_clear)


def growth_to_clear(se: float, n: int, gap: float, n_opt: int, confidence: float = 0.95) -> float:
    """Return how many times the units a mean needs until its anytime interval is below `gap` wide.

    From n units with standard error `se`, to a half width of `gap`. Infinite when none does.
    Source: Waudby-Smith et al. 2021.
    """

    def is_clear(times: float) -> bool:
        return mean_half_width(se / math.sqrt(times), n * times, n_opt, confidence) < abs(gap)

    return _first(is_clear)


def mean_half_width(se: float, n: float, n_opt: int, confidence: float = 0.95) -> float:
    """Return half the width of the asymptotic confidence sequence of a mean, from n units."""
    alpha = 1 - confidence
    level = -2 * math.log(alpha)
    r = n * (level + math.log(level + 1)) / n_opt
    return se * math.sqrt(2 * (r + 1) / r * math.log(math.sqrt(r + 1) / alpha))


def exposure_to_clear(count: int, exposure: float, limit: float, confidence: float = 0.95) -> float:
    """Return the exposure at which a report rate that stays as it is clears the limit.

    `limit` in reports per unit of exposure. Infinite when the rate is the limit.
    Source: Byar's approximation of the exact Poisson interval.
    """
    z = NormalDist().inv_cdf(1 - (1 - confidence) / 2)
    rate = count / exposure if exposure else 0.0

    def is_clear(times: float) -> bool:
        x = rate * times
        if rate < limit:
            return _byar(x + 1, z) < limit * times
        return x > 0 and _byar(x, -z) > limit * times

    return _first(is_clear)


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _byar(x: float, z: float) -> float:
    return x * max(0.0, 1 - 1 / (9 * x) + z / (3 * math.sqrt(x))) ** 3


def _first(is_clear: Callable[[float], bool]) -> float:
    """The first whole number from which it holds, to about one in a hundred."""
    high = 1.0
    while not is_clear(high):
        high *= 2
        if high > MOST:
            return math.inf
    low = high / 2
    while high - low > max(1.0, high / 200) / 2:
        middle = (low + high) / 2
        low, high = (low, middle) if is_clear(middle) else (middle, high)
    return math.ceil(high)
