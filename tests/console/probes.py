"""Probes for the world: one concluded, one to review, one that people rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from alpha.models import Finding
from evals import outputs
from evals.models import Probe, ProbeRun, Result, Run
from evals.selectors import probes as reads
from evals.services import runs
from evals.services.probes import concluding, design, review, running
from evals.services.probes.specs import HUMAN, ProbeSpec, PromptSpec
from evals.states import ResultState, RunState, ShardState
from infra import clock
from releases.models import Checkpoint
from tests.builders import Cast

GRADER = {"type": "string_check", "operation": "eq"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Probes:
    """What the pages show."""

    concluded: Probe
    draft: Probe
    rated: Probe


def build(cast: Cast, finding: Finding, checkpoint: Checkpoint, canary: str) -> Probes:
    """All three, through the services."""
    concluded = _designed(cast, finding, checkpoint, canary, [GRADER])
    rated = _designed(cast, finding, checkpoint, canary, [dict(HUMAN)])
    for probe in (concluded, rated):
        ids = list(reads.pairs_of(probe).values_list("pk", flat=True))
        review.review_pairs(actor=cast.behaviour_reviewer, probe=probe, pair_ids=ids, approve=True)
        running.start_probe(actor=cast.engineer, probe=probe)
        _answered(probe, canary)
    concluding.conclude_due()
    draft = _designed(cast, finding, checkpoint, canary, [GRADER])
    return Probes(concluded=concluded, draft=draft, rated=rated)


def _designed(
    cast: Cast, finding: Finding, checkpoint: Checkpoint, canary: str, graders: list[Any]
) -> Probe:
    texts = [f"Earlier {n}: {canary}\n\nThe middle.\n\nQuestion {n}?" for n in range(6)]
    prompts = [
        PromptSpec(messages=[{"role": "user", "content": text}], target="right") for text in texts
    ]
    spec = ProbeSpec(
        title=f"Is it the length? {canary}"[:200],
        prompts=prompts,
        checkpoints=[checkpoint],
        templates=["shorter_context", "answer_in_english"],
        graders=graders,
        repeats=2,
    )
    return design.create_probe(actor=cast.engineer, finding=finding, spec=spec)


def _answered(probe: Probe, canary: str) -> None:
    """Every answer is there: wrong unless the context is short."""
    run = ProbeRun.objects.get(probe=probe).run
    assert run is not None
    Run.objects.filter(pk=run.pk).update(state=RunState.RUNNING.value, started_at=clock.now())
    by_people = reads.is_rated_by_people(probe)
    for case in run.version.cases.all():
        right = case.case_id.endswith("shorter_context")
        state = ResultState.PASSED if right else ResultState.FAILED
        Result.objects.bulk_create(
            Result(
                run=run,
                case=case,
                repeat=repeat,
                state=(ResultState.UNSCORED if by_people else state).value,
                score=None if by_people else float(right),
                output=outputs.pack(outputs.Output(text=canary, finish_reason="stop")),
                tokens_in=20,
                tokens_out=5,
                cost_micros=12,
                recorded_at=clock.now(),
            )
            for repeat in range(2)
        )
    for state in (ShardState.RUNNING, ShardState.DONE):
        run.shards.update(state=state.value)
    assert runs.finish_run(run_id=run.pk)
