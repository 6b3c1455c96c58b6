"""How many cases or events a question takes, and what a number of cases can see.

Standard library only, importable by pure code.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

from releases.statistics import checks

HOPELESS_FACTOR = 20
POWER = 0.8
NORMAL = NormalDist()
# Spread of the odds-ratio sequence's prior on the log scale.
PRIOR_SD = 0.7
MAX_STEPS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class CasesNeeded:
    """Number of cases that settles a question at the asked power."""

    n: int
    """Cases, rounded up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectableEffect:
    """Smallest true difference that is found at the asked power."""

    mde: float
    """Difference in score units."""


def cases_for_superiority(
    omega2: float,
    s2_candidate: float,
    s2_baseline: float,
    k_candidate: int,
    k_baseline: int,
    delta: float,
    design_effect: float = 1.0,
    confidence: float = 0.95,
    power: float = POWER,
) -> CasesNeeded:
    """Return the cases to show a true difference `delta` with k samples a case and arm.

    Variances are of scores in 0..1; the design effect is se_clustered^2 / se_naive^2.
    Raises ValueError naming the field. Source: Miller 2024.
    """
    variance = (
        checks.number("omega2", omega2, at_least=0.0)
        + checks.number("s2_candidate", s2_candidate, at_least=0.0)
        / checks.count("k_candidate", k_candidate, at_least=1)
        + checks.number("s2_baseline", s2_baseline, at_least=0.0)
        / checks.count("k_baseline", k_baseline, at_least=1)
    )
    effect = checks.number("delta", delta)
    if effect == 0:
        raise ValueError("delta: must not be 0: no number of cases shows no difference")
    return CasesNeeded(n=_cases(variance, effect, design_effect, z_sum(confidence, power)))


def cases_for_noninferiority(
    margin: float,
    true_delta: float,
    variance: float,
    design_effect: float = 1.0,
    confidence: float = 0.95,
    power: float = POWER,
) -> CasesNeeded:
    """Return the cases to show that a candidate truly `true_delta` off is within the margin.

    `variance` is that of the per-case differences. Raises ValueError naming the field.
    Source: Miller 2024.
    """
    effect = checks.number("margin", margin, at_least=0.0) + checks.number("true_delta", true_delta)
    if effect <= 0:
        raise ValueError("true_delta: must exceed minus the margin, or no number of cases shows it")
    checked = checks.number("variance", variance, at_least=0.0)
    return CasesNeeded(n=_cases(checked, effect, design_effect, z_sum(confidence, power)))


def minimum_detectable_effect(
    n: int,
    variance: float,
    design_effect: float = 1.0,
    n_slices: int = 1,
    confidence: float = 0.95,
    power: float = POWER,
) -> DetectableEffect:
    """Return the smallest true difference that n cases find; one of `n_slices` under Holm.

    `variance` is that of the per-case differences. Raises ValueError naming the field.
    """
    cases = checks.count("n", n, at_least=1)
    checked = checks.number("variance", variance, at_least=0.0)
    deff = checks.number("design_effect", design_effect, above=0.0)
    return DetectableEffect(
        mde=z_sum(confidence, power, n_slices) * math.sqrt(deff * checked / cases)
    )


def chance_to_pass(
    n: int,
    variance: float,
    margin: float,
    true_delta: float = 0.0,
    design_effect: float = 1.0,
    confidence: float = 0.95,
) -> float:
    """Return the chance that n cases call a candidate truly `true_delta` off within the margin.

    `variance` is that of the per-case differences, above 0. Raises ValueError naming the field.
    """
    cases = checks.count("n", n, at_least=1)
    spread = checks.number("variance", variance, above=0.0)
    se = math.sqrt(checks.number("design_effect", design_effect, above=0.0) * spread / cases)
    effect = checks.number("margin", margin, at_least=0.0) + checks.number("true_delta", true_delta)
    z = NORMAL.inv_cdf((1 + checks.confidence_level(confidence)) / 2)
    return NORMAL.cdf(effect / se - z)


def events_needed(ratio: float, candidate_share: float, confidence: float = 0.95) -> int:
    """Return the events in both arms that rule out an odds ratio when the truth is 1.

    In the middle of what the odds-ratio sequence takes: half of all stages take less. `ratio` is
    not 1, `candidate_share` of the units is in 0..1. Raises ValueError naming the field.
    """
    distance = math.log(checks.number("ratio", ratio, above=0.0))
    share = checks.number("candidate_share", candidate_share, above=0.0, below=1.0)
    information = share * (1 - share)
    if distance == 0:
        raise ValueError("ratio: must not be 1: no number of events rules out no difference")
    evidence = -2 * math.log(1 - checks.confidence_level(confidence))
    events = 0.0
    for _ in range(MAX_STEPS):
        spent = evidence + math.log1p(PRIOR_SD**2 * information * events)
        before, events = events, spent / (information * distance**2)
        if abs(events - before) <= 1e-9 * events:
            break
    return math.ceil(events)


def best_repeats(
    s2_candidate: float, s2_baseline: float, omega2: float, case_cost: float, sample_cost: float
) -> float:
    """Return the samples a case and arm that see most for a budget; round it for use.

    Costs are in one unit. Infinite when omega2 is 0: the disagreement is all sampling noise.
    Raises ValueError naming the field. Source: Miller 2024.
    """
    noise = checks.number("s2_candidate", s2_candidate, at_least=0.0)
    noise += checks.number("s2_baseline", s2_baseline, at_least=0.0)
    spread = checks.number("omega2", omega2, at_least=0.0)
    ratio = checks.number("case_cost", case_cost, at_least=0.0)
    ratio /= checks.number("sample_cost", sample_cost, above=0.0)
    return math.sqrt(noise / spread * ratio) if spread else math.inf


def cases_to_settle(
    n: int, se: float, delta: float, margin: float, confidence: float = 0.95, power: float = POWER
) -> float:
    """Return the cases in all that would settle the difference against the margin.

    From n cases with standard error `se`, taking |margin + delta| as the effect; infinite when
    the estimate sits on minus the margin.
    """
    effect = abs(margin + delta)
    if effect == 0:
        return math.inf
    return math.ceil(n * (z_sum(confidence, power) * se / effect) ** 2)


def z_sum(confidence: float, power: float, n_slices: int = 1) -> float:
    """Return z for the two-sided confidence, split over the slices, plus z for the power."""
    alpha = (1 - checks.confidence_level(confidence)) / checks.count(
        "n_slices", n_slices, at_least=1
    )
    checked = checks.number("power", power, above=0.0, below=1.0)
    return NORMAL.inv_cdf(checked) - NORMAL.inv_cdf(alpha / 2)


def _cases(variance: float, effect: float, design_effect: float, z: float) -> int:
    deff = checks.number("design_effect", design_effect, above=0.0)
    return max(1, math.ceil(deff * variance * (z / effect) ** 2))
