"""Two runs of one suite that is as large as people's: 50 nodes, any number of cases."""

from __future__ import annotations

import random
from typing import Any

from evals import outputs
from evals.formats.contract import CaseSpec
from evals.models import Case, Result, Run, SuiteVersion
from evals.services import runs
from evals.states import ResultState, RunState, ShardState
from infra import clock
from tests import builders as shared
from tests.evals import builders

N_GROUPS = 7
N_LEAVES = 6
N_NODES = 1 + N_GROUPS + N_GROUPS * N_LEAVES
LABELS_A_CASE = 4
LABELS = [f"g{group}.l{leaf}" for group in range(N_GROUPS) for leaf in range(N_LEAVES)]
OUTPUT = outputs.pack(outputs.Output(text="SELECT name FROM people", finish_reason="stop"))


def version(n_cases: int, name: str = "large") -> SuiteVersion:
    """A published suite whose cases carry labels of four groups each."""
    cases = [_case(number) for number in range(n_cases)]
    return builders.published(n_cases, name=name, cases=cases, components=dict.fromkeys(LABELS, ""))


def _case(number: int) -> CaseSpec:
    groups = [(number + step) % N_GROUPS for step in range(LABELS_A_CASE)]
    labels = [f"g{group}.l{(number // N_GROUPS + group) % N_LEAVES}" for group in groups]
    return builders.case(number, components=labels, cluster=f"doc-{number // 4}")


def completed(version: SuiteVersion, name: str, share_right: float, **fields: Any) -> Run:
    """A finished run of a new checkpoint that is right about that often; the same every time."""
    run = builders.start(version, builders.served("http://127.0.0.1:9/v1", name, **fields))
    run.state, run.started_at = RunState.RUNNING.value, clock.now()
    run.save(update_fields=["state", "started_at"])
    dice = random.Random(name)
    cases = version.cases.order_by("position").only("pk", "components")
    rows = [_result(run, case, dice, share_right) for case in cases]
    Result.objects.bulk_create(rows, batch_size=2000)
    for state in (ShardState.RUNNING, ShardState.DONE):
        run.shards.update(state=state.value)
    assert runs.finish_run(run_id=run.pk)
    run.refresh_from_db()
    return run


def _result(run: Run, case: Case, dice: random.Random, share_right: float) -> Result:
    if dice.random() < 0.01:
        return _row(
            run, case, ResultState.ERRORED, error_code="timeout", error_message="No answer."
        )
    scores = {label: float(dice.random() < share_right) for label in case.components}
    score = sum(scores.values()) / len(scores)
    state = ResultState.PASSED if score == 1 else ResultState.FAILED
    said = "expected the column name, got the column title, which the table does not have"
    return _row(
        run,
        case,
        state,
        score=score,
        components={label: {"score": s, "explanation": said} for label, s in scores.items()},
        explanation=said,
        output=OUTPUT,
        tokens_in=200,
        tokens_out=20,
        cost_micros=40 + dice.randrange(20),
        latency_ms=200 + 300 * dice.random(),
    )


def _row(run: Run, case: Case, state: ResultState, **fields: Any) -> Result:
    values = {"output": b"", "recorded_at": clock.now(), **fields}
    return Result(run=run, case=case, repeat=0, state=state.value, **values)


def pair(n_cases: int, name: str = "large") -> tuple[Run, Run]:
    """(candidate, baseline) on one version."""
    shared.cast()
    made = version(n_cases, name)
    return completed(made, f"{name}-new", 0.72), completed(made, f"{name}-old", 0.70)
