"""What a probe's answers say of each hypothesis: paired effects, corrected together. Pure.

The effect of a hypothesis is the failure rate of the original prompts less that of the changed
ones: positive where the change makes failures go away. Prompts are the clusters; the repeats of a
prompt are averaged. Source: statistics.md 1(b), 1(c) and Holm at the end of a run; 2c while it goes
on, with a fifth of alpha for the looks and the rest for the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evals.probes.effects import Effect, Outcome, Pairs, Tally, rate_of

if TYPE_CHECKING:
    from releases.statistics.cr2 import ClusteredMean
    from releases.statistics.inputs import Floats

MOST_MISSING = 0.05


def analysed(
    family: Sequence[Pairs], *, looked: bool = True, confidence: float = 0.95
) -> list[Effect]:
    """Return the effect of every hypothesis on every checkpoint, in the order of `family`.

    `looked`: the runs could stop early, so a fifth of alpha is spent on the looks. All members
    count for the correction, whatever became of them. ValueError naming the field.
    """
    from releases.statistics.early_stop import final_confidence  # SciPy

    level = final_confidence(confidence) if looked else confidence
    steps = _holm_steps([_chance(pairs) for pairs in family], 1 - level)
    return [
        _whole(pairs, step) if pairs.is_whole else _running(pairs, len(family), confidence)
        for pairs, step in zip(family, steps, strict=True)
    ]


def isolated_after(
    family: Sequence[Pairs], n_comparisons: int, confidence: float = 0.95
) -> int | None:
    """Return after how many prompts of the run the first hypothesis was isolated; None: not yet.

    `family` are the hypotheses on one checkpoint, each with the prompts that were asked so far;
    `n_comparisons` is the number of hypotheses × checkpoints of the whole probe. The answer does
    not depend on when it is asked.
    """
    found = [_first_above(pairs, n_comparisons, confidence) for pairs in family]
    return min((n for n in found if n is not None), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """Holm's say on one member."""

    p: float | None
    p_holm: float | None
    confidence: float


def _holm_steps(chances: Sequence[float | None], alpha: float) -> list[_Step]:
    """Each member's p, Holm's p, and the confidence at which its interval tells the same.

    Members that are rejected get their own step's level, all others that of the first which is not:
    an interval excludes 0 exactly when Holm's p is below alpha.
    """
    from releases.statistics.multiplicity import holm

    k = len(chances)
    values = [1.0 if p is None else p for p in chances]
    adjusted = holm(values).adjusted
    order = sorted(range(k), key=values.__getitem__)
    rejected = [at for at in order if adjusted[at] < alpha]
    levels = dict.fromkeys(range(k), 1 - alpha / max(1, k - len(rejected)))
    levels |= {at: 1 - alpha / (k - rank) for rank, at in enumerate(rejected)}
    return [
        _Step(
            p=chances[at],
            p_holm=None if chances[at] is None else adjusted[at],
            confidence=levels[at],
        )
        for at in range(k)
    ]


def _differences(pairs: Pairs) -> tuple[Floats, Floats]:
    """Original less changed failure rate by prompt, at their worst and at their best: (n,) each."""
    import numpy as np

    rates = [
        (*original.rates, *changed.rates)
        for original, changed in zip(pairs.original, pairs.changed, strict=True)
    ]
    table = np.array(rates, dtype=np.float64).reshape(-1, 4)
    return table[:, 0] - table[:, 3], table[:, 1] - table[:, 2]


def _is_enough(pairs: Pairs) -> bool:
    from releases.statistics.verdicts import is_sufficient

    return is_sufficient(_n_judged(pairs.original), len(pairs.original)) and (
        _n_missing(pairs) <= MOST_MISSING * (_n_missing(pairs) + _n_answers(pairs))
    )


def _chance(pairs: Pairs) -> float | None:
    """The two-sided p for "no effect", missing answers against it; None where nothing is tested."""
    if not pairs.is_whole or not _is_enough(pairs):
        return None
    worst, best = _mean(pairs, 0.95)
    above, below = worst.p_above(0.0), best.p_below(0.0)
    if above is None or below is None:
        return None
    return min(1.0, 2 * min(above, below))


def _mean(pairs: Pairs, confidence: float) -> tuple[ClusteredMean, ClusteredMean]:
    from releases.statistics.cr2 import DELTA_GUARD, clustered_mean  # SciPy

    worst, best = _differences(pairs)
    options = {"guard": DELTA_GUARD, "confidence": confidence}
    return clustered_mean(worst, **options), clustered_mean(best, **options)


def _whole(pairs: Pairs, step: _Step) -> Effect:
    from evals.probes.planning import seen_effect

    if not _is_enough(pairs):
        return _effect(pairs, Outcome.INSUFFICIENT)
    worst, best = _mean(pairs, step.confidence)
    lo, hi = worst.lo, best.hi
    if lo is None or hi is None or worst.se is None or worst.dof is None:
        return _effect(pairs, Outcome.INSUFFICIENT)
    return _effect(
        pairs,
        _outcome(lo, hi),
        interval=(lo, hi),
        step=step,
        detectable=seen_effect(worst.se, worst.dof, step.confidence),
    )


def _running(pairs: Pairs, n_comparisons: int, confidence: float) -> Effect:
    """The running interval of what was asked before the run ended."""
    from releases.statistics.verdicts import MIN_CLUSTERS

    if len(pairs.original) < MIN_CLUSTERS:
        return _effect(pairs, Outcome.INSUFFICIENT)
    worst, best = _differences(pairs)
    level = _running_level(n_comparisons, confidence)
    lo, hi = _sequence(worst, level).lo, _sequence(best, level).hi
    lo, hi = 2 * lo - 1, 2 * hi - 1
    step = _Step(p=None, p_holm=None, confidence=level)
    if lo > hi:
        return _effect(pairs, Outcome.INSUFFICIENT)
    return _effect(pairs, _outcome(lo, hi), interval=(lo, hi), step=step)


def _running_level(n_comparisons: int, confidence: float) -> float:
    from releases.statistics.early_stop import running_confidence  # SciPy

    return 1 - (1 - running_confidence(confidence)) / n_comparisons


def _sequence(d: Floats, level: float):  # type: ignore[no-untyped-def]
    from releases.statistics.betting_sequence import bounded_sequence  # SciPy

    return bounded_sequence((d + 1) / 2, confidence=level, running=True).interval


def _first_above(pairs: Pairs, n_comparisons: int, confidence: float) -> int | None:
    """The run's prompts after which this one was isolated, five of its own at least."""
    from releases.statistics.betting_sequence import bounded_sequence  # SciPy
    from releases.statistics.verdicts import MIN_CLUSTERS

    if not pairs.original:
        return None
    worst, _ = _differences(pairs)
    level = _running_level(n_comparisons, confidence)
    n = bounded_sequence((worst + 1) / 2, confidence=level, running=True).first_above(0.5)
    if n is None or len(pairs.original) < MIN_CLUSTERS:
        return None
    places = pairs.places or range(1, len(pairs.original) + 1)
    return places[max(n, MIN_CLUSTERS) - 1]


def _outcome(lo: float, hi: float) -> Outcome:
    if lo > 0:
        return Outcome.ISOLATED
    return Outcome.WORSENS if hi < 0 else Outcome.NOT_SHOWN


def _effect(
    pairs: Pairs,
    outcome: Outcome,
    interval: tuple[float | None, float | None] = (None, None),
    step: _Step | None = None,
    detectable: float | None = None,
) -> Effect:
    estimate = None
    if pairs.original:
        worst, best = _differences(pairs)
        estimate = float((worst + best).mean() / 2)
    return Effect(
        hypothesis=pairs.hypothesis,
        checkpoint=pairs.checkpoint,
        outcome=outcome,
        n_prompts=len(pairs.original),
        n_answers=_n_answers(pairs),
        n_missing=_n_missing(pairs),
        original_rate=rate_of(pairs.original),
        changed_rate=rate_of(pairs.changed),
        effect=estimate,
        lo=interval[0],
        hi=interval[1],
        confidence=step.confidence if step else None,
        p=step.p if step else None,
        p_holm=step.p_holm if step else None,
        detectable=detectable,
        is_running=not pairs.is_whole,
    )


def _n_judged(tallies: Sequence[Tally]) -> int:
    return sum(tally.judged for tally in tallies)


def _n_answers(pairs: Pairs) -> int:
    return _n_judged(pairs.original) + _n_judged(pairs.changed)


def _n_missing(pairs: Pairs) -> int:
    return sum(tally.missing for tally in (*pairs.original, *pairs.changed))
