"""A judge's mean made valid by human labels: PPI++ and Rogan-Gladen."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from releases.statistics import inputs
from releases.statistics.inputs import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectedMean:
    """Judge-corrected mean, in the unit of the labels."""

    est: float
    """Estimate."""
    lo: float
    """Lower end of the t interval."""
    hi: float
    """Upper end of the t interval."""
    lam: float
    """Weight given to the judge, 0..1; 0 leaves the plain human mean."""
    n_effective: float | None
    """Human labels that the estimate is worth; None when the interval has no width."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectedRate:
    """Judge-corrected pass rate in 0..1."""

    est: float | None
    """Estimate; None when the judge is no better than chance."""
    lo: float
    """Lower end; 0 when the judge is no better than chance."""
    hi: float
    """Upper end; 1 when the judge is no better than chance."""


def ppi_mean(
    human: Sequence[float] | Floats,
    judge: Sequence[float] | Floats,
    judge_rest: Sequence[float] | Floats = (),
    lam: float | None = None,
    confidence: float = 0.95,
) -> CorrectedMean:
    """Return the mean that humans would give, from n labels and the judge on n + N cases.

    `human` and `judge` have shape (n,) on the same randomly drawn cases, `judge_rest` (N,) on the
    others; scores or paired differences. `lam` fixes the judge's weight. Raises ValueError naming
    the field. Source: Angelopoulos, Duchi and Zrnic 2023 (PPI++).
    """
    y = inputs.numbers("human", human, min_count=2)
    f = inputs.numbers("judge", judge)
    rest = inputs.numbers("judge_rest", judge_rest, min_count=0)
    inputs.same_length("judge", f, "human", len(y))
    weight = (
        prediction_weight(y, f, rest)
        if lam is None
        else inputs.number("lam", lam, at_least=0, at_most=1)
    )
    if weight and len(rest) < 2:
        raise ValueError("judge_rest: needs at least two values for a judge with weight")
    rectifier = y - weight * f
    variance = float(rectifier.var(ddof=1)) / len(y)
    est = float(rectifier.mean())
    if weight:
        est += weight * float(rest.mean())
        variance += weight**2 * float(rest.var(ddof=1)) / len(rest)
    half = float(stats.t.ppf((1 + inputs.confidence_level(confidence)) / 2, len(y) - 1))
    half *= math.sqrt(variance)
    worth = float(y.var(ddof=1)) / variance if variance else None
    return CorrectedMean(est=est, lo=est - half, hi=est + half, lam=weight, n_effective=worth)


def rogan_gladen(
    judge_passes: int,
    judged: int,
    true_pos: int,
    positives: int,
    true_neg: int,
    negatives: int,
    confidence: float = 0.95,
) -> CorrectedRate:
    """Return the true pass rate from a judge calibrated on a borrowed labelled set.

    `true_pos` of `positives` and `true_neg` of `negatives` human labels the judge got right.
    Assumes it errs alike in both arms. Raises ValueError naming the field.
    Source: Rogan and Gladen 1978; interval by Lang and Reiczigel 2014.
    """
    k, n = _part("judge_passes", judge_passes, "judged", judged)
    tp, pos = _part("true_pos", true_pos, "positives", positives)
    tn, neg = _part("true_neg", true_neg, "negatives", negatives)
    gain = tp / pos + tn / neg - 1
    if gain <= 0:
        return CorrectedRate(est=None, lo=0.0, hi=1.0)
    z = float(stats.norm.ppf((1 + inputs.confidence_level(confidence)) / 2))
    n2, p2 = n + z**2, (k + z**2 / 2) / (n + z**2)
    se2, sp2 = (tp + 1) / (pos + 2), (tn + 1) / (neg + 2)
    gain2 = se2 + sp2 - 1
    if gain2 <= 0:
        return CorrectedRate(est=None, lo=0.0, hi=1.0)
    theta = (p2 + sp2 - 1) / gain2
    v_se, v_sp = se2 * (1 - se2) / (pos + 2), sp2 * (1 - sp2) / (neg + 2)
    center = theta + 2 * z**2 * (theta * v_se - (1 - theta) * v_sp)
    spread = p2 * (1 - p2) / n2 + theta**2 * v_se + (1 - theta) ** 2 * v_sp
    half = z * math.sqrt(spread) / gain2
    est = (k / n + tn / neg - 1) / gain
    return CorrectedRate(est=_clip(est), lo=_clip(center - half), hi=_clip(center + half))


def prediction_weight(y: Floats, f: Floats, rest: Floats) -> float:
    """Return PPI++'s weight of the judge, 0..1; 0 without further cases or for a constant judge."""
    if len(rest) == 0:
        return 0.0
    variance = float(np.append(f, rest).var(ddof=1))
    if variance <= 1e-24:
        return 0.0
    covariance = float(np.mean((y - y.mean()) * (f - f.mean())))
    return min(1.0, max(0.0, covariance / ((1 + len(y) / len(rest)) * variance)))


def _part(field: str, part: int, of: str, whole: int) -> tuple[int, int]:
    total = inputs.count(of, whole, at_least=1)
    share = inputs.count(field, part)
    if share > total:
        raise ValueError(f"{field}: must not exceed {of} ({total}), got {share}")
    return share, total


def _clip(share: float) -> float:
    return min(1.0, max(0.0, share))
