"""Probes concluded: what the answers say is worked out once, kept, and never changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from django.db import transaction

from evals.models import Probe, Run
from evals.probes.analysis import analysed
from evals.probes.effects import Effect
from evals.probes.wording import Summary, effect_sentence, original_sentence, summary
from evals.selectors import probe_answers, runs
from evals.selectors import probes as reads
from evals.selectors.probe_answers import Asked
from evals.services.probes import design, rating
from evals.states import ProbeState, RunState
from infra import audit, clock
from infra.actors import Actor, system
from infra.errors import InvalidMove

METHOD = "minimal_pairs/1"


def conclude_due() -> int:
    """Conclude every probe that is ripe; the number of them. Safe to repeat and to race."""
    return sum(_conclude_if_ripe(probe) for probe in reads.under_way())


def conclude_probe(*, actor: Actor, probe: Probe, reason: str = "") -> Probe:
    """Conclude it now; answers that nobody rated count as missing. Refused while a run goes on."""
    design.must_design(actor)
    with transaction.atomic():
        row = design.locked(probe)
        if row.state != ProbeState.RUNNING.value:
            raise InvalidMove("probe_not_running", f"The probe is {row.state}, not running.")
        going = [run for run in _runs(row) if not _is_over(run)]
        if going:
            message = f"{len(going)} of its runs go on: wait, or cancel them."
            raise InvalidMove("runs_going_on", message)
        _conclude(actor, row, reason)
    return row


def _conclude_if_ripe(probe: Probe) -> bool:
    with transaction.atomic():
        row = design.locked(probe)
        if row.state != ProbeState.RUNNING.value or not all(map(_is_over, _runs(row))):
            return False
        if reads.is_rated_by_people(row):
            rating.draw_order(row)
            progress = reads.rating_progress(row, None)
            if progress.n_rated < progress.n_answers:
                return False
        _conclude(system("probes"), row, "")
    return True


def _conclude(actor: Actor, row: Probe, reason: str) -> None:
    found = [probe_answers.read(run, row.repeats) for run in _runs(row)]
    told, result = result_of(row, found)
    row.state = ProbeState.CONCLUDED.value
    row.ended_at = clock.now()
    row.verdict, row.sentence, row.result = told.verdict.value, told.sentence, result
    row.save(update_fields=["state", "ended_at", "verdict", "sentence", "result"])
    after = {"verdict": row.verdict, "sentence": row.sentence}
    audit.record(actor=actor, action="probe.concluded", subject=row, reason=reason, after=after)


def result_of(probe: Probe, found: Sequence[Asked]) -> tuple[Summary, dict[str, Any]]:
    """The verdict, and all that is kept of it."""
    family = [pairs for asked in found for pairs in probe_answers.pairs_of(probe, asked)]
    # A run that ended before its last prompt is judged by the running interval.
    looked = probe.may_stop_early or not all(asked.is_whole for asked in found)
    effects = analysed(family, looked=looked)
    hypotheses = {row.name: row for row in probe.hypotheses.all()}
    components = [hypotheses[effect.hypothesis].component for effect in effects]
    originals = [probe_answers.original_of(asked) for asked in found]
    because = [asked.ended_because for asked in found if asked.ended_because]
    told = summary(effects, components, originals, because)
    rows = [_row(effect, component) for effect, component in zip(effects, components, strict=True)]
    return told, {
        "method": METHOD,
        "looked": looked,
        "effects": rows,
        "originals": [
            {**asdict(original), "sentence": original_sentence(original)} for original in originals
        ],
        "ended_early": because,
        **cost_of(probe),
    }


def cost_of(probe: Probe) -> dict[str, int]:
    """What its runs have cost so far, graders included: micro-units and tokens."""
    spent = [runs.spent(run) for run in _runs(probe)]
    return {
        "cost_micros": sum(one.cost_micros for one in spent),
        "tokens": sum(one.tokens for one in spent),
    }


def _row(effect: Effect, component: str) -> dict[str, Any]:
    told = effect_sentence(effect, component)
    whole = {**asdict(effect), "outcome": effect.outcome.value}
    return {**whole, "component": component, "sentence": told}


def _runs(probe: Probe) -> list[Run]:
    return [run for run in (one.run for one in _probe_runs(probe)) if run is not None]


def _probe_runs(probe: Probe):  # type: ignore[no-untyped-def]
    return probe.probe_runs.select_related(
        "run__checkpoint", "run__version", "run__early_stop"
    ).order_by("id")


def _is_over(run: Run) -> bool:
    return RunState(run.state) in runs.OVER
