"""Probes with a known truth: every prompt and change with a failure rate of its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evals.probes.analysis import analysed
from evals.probes.effects import Outcome, Pairs, Tally
from evals.probes.planning import ASSUMED_RATE, DEFAULT_PROMPTS, DEFAULT_REPEATS, Design

PLANTED_RATE = 0.2
"""Mean failure rate once the planted cause is gone: 0.6 before."""
SPREAD = 0.2
"""Standard deviation of the prompts' true rates; the two arms of a pair are drawn apart, so that
even a change without an effect moves single prompts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What came of many simulated probes, as shares of them."""

    right: float
    """The planted cause was isolated."""
    wrong: float
    """Some other cause was claimed."""


def simulated(n_probes: int, planted: int | None, seed: int, design: Design | None = None) -> Tried:
    """Simulated probes through the product's own analysis."""
    rng = np.random.default_rng(seed)
    asked = design or Design(
        n_prompts=DEFAULT_PROMPTS, repeats=DEFAULT_REPEATS, n_hypotheses=6, n_checkpoints=2
    )
    right = wrong = 0
    for _ in range(n_probes):
        effects = analysed(family(rng, asked, planted), looked=asked.looked)
        claimed = {e.hypothesis for e in effects if e.outcome is Outcome.ISOLATED}
        right += f"h{planted}" in claimed
        wrong += bool(claimed - {f"h{planted}"})
    return Tried(right=right / n_probes, wrong=wrong / n_probes)


def family(rng: np.random.Generator, design: Design, planted: int | None) -> list[Pairs]:
    """One probe's answers: the same cause on every checkpoint, or none."""
    found = []
    for checkpoint in range(design.n_checkpoints):
        original = _tallies(rng, ASSUMED_RATE, design)
        for number in range(design.n_hypotheses):
            rate = PLANTED_RATE if number == planted else ASSUMED_RATE
            found.append(
                Pairs(
                    hypothesis=f"h{number}",
                    checkpoint=f"c{checkpoint}",
                    original=original,
                    changed=_tallies(rng, rate, design),
                )
            )
    return found


def _tallies(rng: np.random.Generator, mean: float, design: Design) -> list[Tally]:
    strength = mean * (1 - mean) / SPREAD**2 - 1
    rates = rng.beta(mean * strength, (1 - mean) * strength, design.n_prompts)
    counts = rng.binomial(design.repeats, rates)
    return [Tally(failed=float(count), judged=design.repeats) for count in counts]
