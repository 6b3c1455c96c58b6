"""What is counted of a probe's answers, and what a hypothesis comes to. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """What a hypothesis came to."""

    ISOLATED = "isolated"
    """The change makes failures rarer: what it takes away is a cause of them."""
    WORSENS = "worsens"
    """The change makes failures more frequent."""
    NOT_SHOWN = "not_shown"
    """The corrected interval includes 0."""
    INSUFFICIENT = "insufficient"
    """Too few prompts, or too many answers lost, to say anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """One prompt's answers in one arm."""

    failed: float
    """Answers that failed; a half where raters are divided."""
    judged: int
    missing: int = 0
    """Answers without a judgement: lost calls, failed graders, nobody rated them."""

    @property
    def rates(self) -> tuple[float, float]:
        """The failure rate with missing answers at their best and at their worst, each in 0..1."""
        n = self.judged + self.missing
        if n == 0:
            return 0.0, 1.0
        return self.failed / n, (self.failed + self.missing) / n


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """One hypothesis on one checkpoint: a tally of each arm for every prompt, in asked order."""

    hypothesis: str
    checkpoint: str
    original: Sequence[Tally]
    changed: Sequence[Tally]
    places: Sequence[int] = ()
    """Place of each prompt in the run's order, from 1, ascending; empty: 1, 2, …"""
    is_whole: bool = True
    """False: its run ended before the last prompt, so that only the running interval holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What one hypothesis came to on one checkpoint."""

    hypothesis: str
    checkpoint: str
    outcome: Outcome
    n_prompts: int
    n_answers: int
    """Judged answers of both arms."""
    n_missing: int
    original_rate: float | None
    """Share of the judged original answers that failed."""
    changed_rate: float | None
    effect: float | None
    """Original less changed failure rate, each prompt counting once; missing ones halfway."""
    lo: float | None
    """Lower end of the corrected interval, missing answers at their worst."""
    hi: float | None
    """Upper end of the corrected interval, missing answers at their best."""
    confidence: float | None
    """Two-sided confidence of that interval by itself, after the correction."""
    p: float | None
    """Two-sided, not corrected; None for a running interval."""
    p_holm: float | None
    """Corrected over all hypotheses and checkpoints; None for a running interval."""
    detectable: float | None
    """Effect that it would have found at 80% power."""
    is_running: bool
    """Whether the interval is that of a run which ended early."""


def rate_of(tallies: Sequence[Tally]) -> float | None:
    """The share of the judged answers that failed; None without one."""
    judged = sum(tally.judged for tally in tallies)
    return sum(tally.failed for tally in tallies) / judged if judged else None
