"""What a probe's runs answered, as the analysis takes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from evals.models import Probe, ProbePair, ProbeRating, Result, Run
from evals.probes.effects import Pairs, Tally, rate_of
from evals.probes.wording import Original
from evals.selectors import run_orders, runs
from evals.states import PairState, ResultState, RunState

ORIGINAL = "original"
_FAILED = frozenset({ResultState.FAILED.value, ResultState.REFUSED.value})


def case_id(prompt_number: int, arm: str) -> str:
    """The case of a prompt in an arm: `original`, or the hypothesis's name."""
    return f"p{prompt_number:04d}.{arm}"


def cluster(prompt_number: int) -> str:
    """What holds a prompt's cases together."""
    return f"p{prompt_number:04d}"


@dataclass(slots=True, kw_only=True)
class Asked:
    """One run's answers by case, and the prompts that count, in the order they were asked."""

    checkpoint: str
    tallies: Mapping[str, Tally]
    prompts: Sequence[str]
    """Clusters."""
    is_whole: bool
    """False: the run ended before its last prompt."""
    ended_because: str = ""
    """Why, unless a hypothesis was isolated."""


@dataclass(slots=True)
class _Counts:
    failed: float = 0.0
    judged: int = 0
    missing: int = 0
    is_skipped: bool = False
    n: int = field(default=0)


def read(run: Run, repeats: int) -> Asked:
    """The run's answers so far; the prompts are those that every arm has answered whole."""
    counts = _counted(run)
    units = run_orders.units_of(run)
    is_whole = run.state == RunState.COMPLETED.value and not run.ended_because
    if not is_whole:
        units = _answered(units, counts, repeats)
        stop = runs.early_stop_of(run)
        units = units[: stop.n_units] if stop else units
    return Asked(
        checkpoint=run.checkpoint.name,
        tallies={
            name: Tally(failed=found.failed, judged=found.judged, missing=found.missing)
            for name, found in counts.items()
        },
        prompts=[unit[0].partition(".")[0] for unit in units],
        is_whole=is_whole,
        ended_because=_why(run, is_whole),
    )


def _why(run: Run, is_whole: bool) -> str:
    if is_whole or runs.early_stop_of(run) is not None:
        return ""
    told = run.ended_because or run.problem or "its run was ended"
    return f"{run.checkpoint.name}: {told.rstrip('.')}."


def _counted(run: Run) -> dict[str, _Counts]:
    found: dict[str, _Counts] = {}
    ratings = _ratings(run)
    rows = Result.objects.filter(run=run).order_by()
    for pk, name, state in rows.values_list("pk", "case__case_id", "state"):
        one = found.setdefault(name, _Counts())
        one.n += 1
        if state == ResultState.PASSED.value:
            one.judged += 1
        elif state in _FAILED:
            one.judged += 1
            one.failed += 1
        elif pk in ratings:
            one.judged += 1
            one.failed += ratings[pk]
        else:
            one.missing += 1
            one.is_skipped |= state == ResultState.SKIPPED.value
    return found


def _ratings(run: Run) -> dict[UUID, float]:
    """What most raters said of each answer: 1 failed, 0 not, a half where they are divided."""
    said: dict[UUID, list[bool]] = {}
    rows = ProbeRating.objects.filter(answer__result__run=run)
    for pk, failed in rows.values_list("answer__result_id", "failed"):
        said.setdefault(pk, []).append(failed)
    return {pk: _most(votes) for pk, votes in said.items()}


def _most(votes: Sequence[bool]) -> float:
    twice = 2 * sum(votes)
    return 0.5 if twice == len(votes) else float(twice > len(votes))


def _answered(
    units: Sequence[run_orders.Unit], counts: Mapping[str, _Counts], repeats: int
) -> list[run_orders.Unit]:
    """The first units of the run's order, up to the one that is not asked to its end."""
    whole = []
    for unit in units:
        rows = [counts.get(name) for name in unit]
        if any(row is None or row.n < repeats or row.is_skipped for row in rows):
            break
        whole.append(unit)
    return whole


def pairs_of(probe: Probe, asked: Asked) -> list[Pairs]:
    """Every hypothesis on the run's checkpoint, in the order of the hypotheses."""
    place = {name: at for at, name in enumerate(asked.prompts)}
    arms: dict[str, list[str]] = {}
    approved = ProbePair.objects.filter(probe=probe, state=PairState.APPROVED.value)
    rows = approved.order_by("hypothesis_id").values_list("hypothesis__name", "prompt__number")
    for hypothesis, number in rows:
        kept = arms.setdefault(hypothesis, [])
        if cluster(number) in place:
            kept.append(cluster(number))
    ordered = {name: sorted(prompts, key=place.__getitem__) for name, prompts in arms.items()}
    return [
        Pairs(
            hypothesis=hypothesis,
            checkpoint=asked.checkpoint,
            original=_in_order(asked, prompts, ORIGINAL),
            changed=_in_order(asked, prompts, hypothesis),
            places=[place[name] + 1 for name in prompts],
            is_whole=asked.is_whole,
        )
        for hypothesis, prompts in ordered.items()
    ]


def original_of(asked: Asked) -> Original:
    """How often the original prompts failed on the run's checkpoint."""
    from releases.statistics.cr2 import SCORE_GUARD, clustered_mean  # SciPy

    tallies = _in_order(asked, asked.prompts, ORIGINAL)
    rates = [tally.failed / tally.judged for tally in tallies if tally.judged]
    lo = hi = None
    if len(rates) > 1:
        import numpy as np

        mean = clustered_mean(np.array(rates), guard=SCORE_GUARD)
        lo, hi = mean.lo, mean.hi
    return Original(
        checkpoint=asked.checkpoint,
        rate=rate_of(tallies),
        lo=lo,
        hi=hi,
        n_answers=sum(tally.judged for tally in tallies),
        n_missing=sum(tally.missing for tally in tallies),
    )


def _in_order(asked: Asked, prompts: Sequence[str], arm: str) -> list[Tally]:
    nothing = Tally(failed=0.0, judged=0)
    return [asked.tallies.get(f"{name}.{arm}", nothing) for name in prompts]
