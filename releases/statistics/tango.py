"""Difference of two pass rates on the same cases: Tango's score interval."""

import math
from dataclasses import dataclass

from scipy import optimize, stats

from releases.statistics import inputs
from releases.statistics.verdicts import MIN_CASES, Verdict, verdict_of

EDGE = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedBinary:
    """Candidate minus baseline pass rate with its interval, as shares of 1."""

    delta: float
    """Observed difference."""
    lo: float
    """Lower end of the interval."""
    hi: float
    """Upper end of the interval."""
    p_noninferior: float
    """One-sided p for "the difference exceeds minus the margin"."""
    verdict: Verdict
    """Verdict against the margin; insufficient below 10 cases."""


def paired_binary(
    only_candidate: int,
    only_baseline: int,
    n: int,
    margin: float = 0.0,
    confidence: float = 0.95,
) -> PairedBinary:
    """Return Tango's interval for n pairs, one pass/fail sample per case and arm, no clusters.

    `only_candidate` and `only_baseline` count the cases that only that arm passed. Raises
    ValueError naming the field. Source: Tango 1998, Statistics in Medicine 17, 891-908.
    """
    b, c, n = _checked(only_candidate, only_baseline, n)
    limit = inputs.number("margin", margin, at_least=0.0, at_most=1.0)
    lo, hi = tango_interval(b, c, n, confidence)
    verdict = verdict_of(lo, hi, limit) if n >= MIN_CASES else Verdict.INSUFFICIENT
    return PairedBinary(
        delta=(b - c) / n,
        lo=lo,
        hi=hi,
        p_noninferior=tango_p_above(b, c, n, -limit),
        verdict=verdict,
    )


def tango_interval(b: int, c: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the score interval of (b - c) / n, both ends in -1..1."""
    z = float(stats.norm.ppf((1 + inputs.confidence_level(confidence)) / 2))
    if b == c == 0:
        half = z**2 / (n + z**2)
        return -half, half
    return -_upper(c, b, n, z), _upper(b, c, n, z)


def tango_p_above(b: int, c: int, n: int, value: float) -> float:
    """Return the one-sided p for "the difference exceeds value"."""
    return float(stats.norm.sf(score(b, c, n, value)))


def tango_p_below(b: int, c: int, n: int, value: float) -> float:
    """Return the one-sided p for "the difference is below value"."""
    return float(stats.norm.cdf(score(b, c, n, value)))


def score(b: int, c: int, n: int, x: float) -> float:
    """Return Tango's z for the hypothesised difference x; falls as x rises."""
    if b == c == 0:
        # Limit of the formula, which cancels to nothing near 0.
        return (
            -math.copysign(math.sqrt(n * abs(x) / (1 - abs(x))), x) if abs(x) < 1 else -x * math.inf
        )
    quadratic = -b - c + (2 * n - b + c) * x
    root = math.sqrt(max(0.0, quadratic**2 + 8 * n * c * x * (1 - x)))
    q = (root - quadratic) / (4 * n)
    variance = n * (2 * q + x * (1 - x))
    gap = b - c - n * x
    if variance > 0:
        return gap / math.sqrt(variance)
    return math.copysign(math.inf, gap) if gap else 0.0


def _upper(b: int, c: int, n: int, z: float) -> float:
    if b == n:
        return 1.0
    return float(optimize.brentq(lambda x: score(b, c, n, x) + z, (b - c) / n, 1 - EDGE))


def _checked(b: int, c: int, n: int) -> tuple[int, int, int]:
    b = inputs.count("only_candidate", b)
    c = inputs.count("only_baseline", c)
    n = inputs.count("n", n, at_least=1)
    if b + c > n:
        raise ValueError(f"n: must be at least only_candidate + only_baseline ({b + c}), got {n}")
    return b, c, n
