"""Reports per exposure: one rate, the ratio of two, and whether they come in bursts."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from releases.statistics import inputs
from releases.statistics.inputs import Floats

PER = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackRate:
    """Reports per 1,000 requests."""

    rate: float | None
    """Observed rate; None without requests."""
    lo: float | None
    """Lower end; None without requests."""
    hi: float | None
    """Upper end; None without requests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackRatio:
    """Rate of the first release over the rate of the second."""

    ratio: float | None
    """Observed ratio; None without reports or without exposure on one side."""
    lo: float | None
    """Lower end; None without exposure on one side."""
    hi: float | None
    """Upper end, infinite without reports on the second; None without exposure on one side."""
    p: float | None
    """Two-sided p for "the rates differ"; None without exposure on one side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispersion:
    """How much more the counts vary than chance makes them."""

    dispersion: float | None
    """Pearson's chi-square per degree of freedom; above 1.5 reports come in bursts.
    None without a report."""


def feedback_rate(count: int, requests: float, confidence: float = 0.95) -> FeedbackRate:
    """Return reports per 1,000 requests with the exact interval of a Poisson count.

    `requests` are those of partners who can report. Raises ValueError naming the field.
    Source: Garwood 1936.
    """
    x = inputs.count("count", count)
    exposure = inputs.number("requests", requests, at_least=0.0)
    alpha = 1 - inputs.confidence_level(confidence)
    if exposure == 0:
        if x:
            raise ValueError(f"requests: must be above 0 for {x} reports")
        return FeedbackRate(rate=None, lo=None, hi=None)
    lo = float(stats.chi2.ppf(alpha / 2, 2 * x)) / 2 if x else 0.0
    hi = float(stats.chi2.ppf(1 - alpha / 2, 2 * x + 2)) / 2
    scale = PER / exposure
    return FeedbackRate(rate=x * scale, lo=lo * scale, hi=hi * scale)


def feedback_rate_ratio(
    count1: int, exposure1: float, count0: int, exposure0: float, confidence: float = 0.95
) -> FeedbackRatio:
    """Compare the report rates of two releases once; exposures in one unit.

    Raises ValueError naming the field. Source: Poisson counts given their sum are binomial;
    Clopper and Pearson 1934.
    """
    x1, x0 = inputs.count("count1", count1), inputs.count("count0", count0)
    e1 = inputs.number("exposure1", exposure1, at_least=0.0)
    e0 = inputs.number("exposure0", exposure0, at_least=0.0)
    for field, exposure, x in (("exposure1", e1, x1), ("exposure0", e0, x0)):
        if exposure == 0 and x:
            raise ValueError(f"{field}: must be above 0 for {x} reports")
    if e1 == 0 or e0 == 0:
        return FeedbackRatio(ratio=None, lo=None, hi=None, p=None)
    if x1 + x0 == 0:
        return FeedbackRatio(ratio=None, lo=0.0, hi=math.inf, p=1.0)
    alpha = 1 - inputs.confidence_level(confidence)
    lo = float(stats.beta.ppf(alpha / 2, x1, x0 + 1)) if x1 else 0.0
    hi = float(stats.beta.ppf(1 - alpha / 2, x1 + 1, x0)) if x0 else 1.0
    ratios = [share / (1 - share) * e0 / e1 if share < 1 else math.inf for share in (lo, hi)]
    return FeedbackRatio(
        ratio=x1 / x0 * e0 / e1 if x0 else math.inf,
        lo=ratios[0],
        hi=ratios[1],
        p=float(stats.binomtest(x1, x1 + x0, e1 / (e1 + e0)).pvalue),
    )


def dispersion(counts: Sequence[int], exposure: Sequence[float] | Floats) -> Dispersion:
    """Return Pearson's dispersion of counts over reporters with their exposures, shape (k,).

    Raises ValueError naming the field.
    """
    given = inputs.listed("counts", counts)
    x = np.array([inputs.count(f"counts[{i}]", v) for i, v in enumerate(given)], np.float64)
    e = inputs.numbers("exposure", exposure, at_least=0.0, min_count=2)
    inputs.same_length("counts", x, "exposure", len(e))
    if not np.all(e > 0):
        raise ValueError("exposure: must all be above 0")
    if x.sum() == 0:
        return Dispersion(dispersion=None)
    expected = e * x.sum() / e.sum()
    return Dispersion(dispersion=float(np.sum((x - expected) ** 2 / expected) / (len(x) - 1)))
