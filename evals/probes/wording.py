"""Plain sentences about what a probe came to. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evals.probes.effects import Effect, Outcome
from evals.states import ProbeVerdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """How often the original prompts failed on one checkpoint."""

    checkpoint: str
    rate: float | None
    """Share of the judged answers; None without one."""
    lo: float | None
    """Ends of the 95% interval over prompts; None with fewer than two."""
    hi: float | None
    n_answers: int
    n_missing: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The whole probe: its verdict, and why in words."""

    verdict: ProbeVerdict
    sentence: str


def effect_sentence(effect: Effect, component: str) -> str:
    """One hypothesis on one checkpoint, in one sentence."""
    where = f"{component}, {effect.checkpoint}"
    if effect.outcome is Outcome.INSUFFICIENT:
        return f"{where}: {_too_little(effect)}."
    return f"{where}: {_rates(effect)} ({_interval(effect)}): {_meaning(effect)}."


def original_sentence(original: Original) -> str:
    """How often the original failed, and what rate could have been missed."""
    if original.rate is None:
        return f"{original.checkpoint}: no original answer was judged."
    told = f"{original.checkpoint}: the original failed in {_percent(original.rate)} of "
    told += f"{original.n_answers:,} answers"
    if original.lo is None or original.hi is None:
        return f"{told}."
    if original.rate == 0:
        return f"{told}: not reproduced, a rate above {_percent(original.hi)} would have been seen."
    return f"{told} ({_percent(max(0.0, original.lo))} to {_percent(min(1.0, original.hi))})."


def summary(
    effects: Sequence[Effect],
    components: Sequence[str],
    originals: Sequence[Original],
    ended_early: Sequence[str] = (),
) -> Summary:
    """The verdict of the probe; `components` are those of `effects`, in their order.

    `ended_early`: why a run ended before its last prompt, other than by isolating something.
    """
    isolated = [
        (component, effect)
        for component, effect in zip(components, effects, strict=True)
        if effect.outcome is Outcome.ISOLATED
    ]
    if isolated:
        names = ", ".join(dict.fromkeys(component for component, _ in isolated))
        strongest = max(isolated, key=lambda one: one[1].effect or 0.0)
        told = effect_sentence(strongest[1], strongest[0])
        return Summary(verdict=ProbeVerdict.ISOLATED, sentence=f"Isolated: {names}. {told}")
    if ended_early:
        told = " ".join(dict.fromkeys(ended_early))
        return Summary(
            verdict=ProbeVerdict.INCONCLUSIVE, sentence=f"It ended before its time: {told}"
        )
    unclear = [effect for effect in effects if effect.outcome is Outcome.INSUFFICIENT]
    if unclear:
        said = f"{len(unclear)} of {len(effects)} comparisons can't be judged"
        return Summary(
            verdict=ProbeVerdict.INCONCLUSIVE, sentence=f"{said}: {_too_little(unclear[0])}."
        )
    return Summary(verdict=ProbeVerdict.NOTHING_ISOLATED, sentence=_nothing(effects, originals))


def _nothing(effects: Sequence[Effect], originals: Sequence[Original]) -> str:
    told = " ".join(original_sentence(original) for original in originals)
    seen = [effect.detectable for effect in effects if effect.detectable is not None]
    if not seen:
        return f"Nothing was isolated. {told}"
    most = f"an effect of {100 * max(seen):.0f} points would have been found with 80% chance"
    return f"Nothing was isolated: {most}. {told}"


def _rates(effect: Effect) -> str:
    if effect.original_rate is None or effect.changed_rate is None or effect.effect is None:
        return "no rate is known"
    return (
        f"the change takes failures from {_percent(effect.original_rate)} to "
        f"{_percent(effect.changed_rate)} of answers, {-100 * effect.effect:+.0f} points"
    )


def _interval(effect: Effect) -> str:
    if effect.lo is None or effect.hi is None:
        return "no interval"
    kind = "anytime interval" if effect.is_running else "corrected interval"
    return f"{kind} {-100 * effect.hi:+.0f} to {-100 * effect.lo:+.0f}"


def _meaning(effect: Effect) -> str:
    if effect.outcome is Outcome.ISOLATED:
        return "isolated"
    if effect.outcome is Outcome.WORSENS:
        return "it makes failures more frequent"
    return "no effect is shown"


def _too_little(effect: Effect) -> str:
    if effect.n_missing > 0.05 * (effect.n_missing + effect.n_answers):
        of = effect.n_missing + effect.n_answers
        return f"{effect.n_missing:,} of {of:,} answers have no judgement, too many to say anything"
    return f"{effect.n_prompts} prompts and {effect.n_answers:,} answers are too few to judge"


def _percent(share: float) -> str:
    text = f"{100 * share:.1f}" if 0 < share < 0.1 else f"{100 * share:.0f}"
    return f"{text}%"
