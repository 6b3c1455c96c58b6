"""What a probe's design can see before it runs. Pure.

An effect is found when the t interval of the prompts' differences excludes 0 at the strictest level
of Holm. Source: power of the t test by the noncentral t distribution.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

POWER = 0.8
DEFAULT_PROMPTS = 16
DEFAULT_REPEATS = 8
ASSUMED_RATE = 0.6
"""Failure rate of the original prompts, where nothing is known yet."""
ASSUMED_SPREAD = 0.25
"""Standard deviation, over prompts, of the true difference between the arms."""
LEAST_PROMPTS = 5
_STEPS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """How much is asked."""

    n_prompts: int
    repeats: int
    n_hypotheses: int
    n_checkpoints: int
    looked: bool = True
    """Whether the runs may stop early."""
    confidence: float = 0.95

    @property
    def n_comparisons(self) -> int:
        """Hypotheses × checkpoints, corrected together."""
        return self.n_hypotheses * self.n_checkpoints

    @property
    def n_calls(self) -> int:
        """Answers in all: the original and every change, on every checkpoint."""
        return self.n_prompts * (1 + self.n_hypotheses) * self.repeats * self.n_checkpoints


def power_of(
    design: Design,
    effect: float,
    original_rate: float = ASSUMED_RATE,
    spread: float = ASSUMED_SPREAD,
) -> float:
    """Return the chance that a true effect is found, at the strictest level of Holm.

    Rates and effect are shares of 1; 0 with fewer than five prompts. ValueError naming the field.
    """
    from scipy import stats

    if not 0 < original_rate < 1:
        raise ValueError(f"original_rate: must be in 0..1, got {original_rate}")
    if design.n_prompts < LEAST_PROMPTS or design.n_comparisons < 1:
        return 0.0
    changed = min(1.0, max(0.0, original_rate - effect))
    noise = original_rate * (1 - original_rate) + changed * (1 - changed)
    se = math.sqrt((spread**2 + noise / design.repeats) / design.n_prompts)
    dof = design.n_prompts - 1
    limit = stats.t.isf(_alpha(design) / 2, dof)
    return float(stats.nct.sf(limit, dof, effect / se)) if se else 1.0


def detectable_effect(
    design: Design, original_rate: float = ASSUMED_RATE, spread: float = ASSUMED_SPREAD
) -> float | None:
    """Return the smallest true effect found at 80% power; None where even the largest is not.

    The largest effect is the original failure rate itself: no failure is left.
    """
    low, high = 0.0, original_rate
    if power_of(design, high, original_rate, spread) < POWER:
        return None
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if power_of(design, middle, original_rate, spread) < POWER:
            low = middle
        else:
            high = middle
    return high


def seen_effect(se: float, dof: float, confidence: float) -> float:
    """Return the effect that a finished test would have found at 80% power.

    From its standard error, degrees of freedom and two-sided confidence, in the unit of `se`.
    """
    from scipy import optimize, stats

    if se == 0:
        return 0.0
    limit = float(stats.t.isf((1 - confidence) / 2, dof))

    def short(shift: float) -> float:
        return float(stats.nct.sf(limit, dof, shift)) - POWER

    return se * float(optimize.brentq(short, 0.0, 4 * limit + 10))


def design_sentence(
    design: Design, original_rate: float = ASSUMED_RATE, spread: float = ASSUMED_SPREAD
) -> str:
    """Return what the design can see and what it takes, in one sentence."""
    size = (
        f"{design.n_prompts} prompts × {design.n_hypotheses} hypotheses × {design.n_checkpoints} "
        f"checkpoints × {design.repeats} repeats: {design.n_calls:,} answers"
    )
    if design.n_prompts < LEAST_PROMPTS:
        return f"{size}. Fewer than {LEAST_PROMPTS} prompts settle nothing: add some."
    seen = detectable_effect(design, original_rate, spread)
    if seen is None:
        return (
            f"{size}. If the original fails in {100 * original_rate:.0f}% of answers, no effect "
            "would surely be seen: add prompts."
        )
    return (
        f"{size}. If the original fails in {100 * original_rate:.0f}% of answers, a change that "
        f"takes it to {100 * (original_rate - seen):.0f}% is found with {100 * POWER:.0f}% chance."
    )


def _alpha(design: Design) -> float:
    from releases.statistics.early_stop import final_confidence  # SciPy

    level = final_confidence(design.confidence) if design.looked else design.confidence
    return (1 - level) / design.n_comparisons


def prompts_to_stop(design: Design) -> int:
    """Return the fewest prompts after which the looks could stop a run at all.

    With failures gone on every prompt a bet at even odds gains at most a factor of 1.5 a prompt,
    half of the stake being on each side.
    """
    from releases.statistics.early_stop import running_confidence  # SciPy

    alpha = (1 - running_confidence(design.confidence)) / max(1, design.n_comparisons)
    return math.ceil(math.log(2 / alpha) / math.log(1.5))


def can_stop(design: Design) -> bool:
    """Whether looks are worth their fifth of alpha: a large effect would save half the answers."""
    return design.n_prompts >= 2 * prompts_to_stop(design)
