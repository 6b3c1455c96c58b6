"""A judge with a suite that it grades, runs that it graded, and people's labels."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from evals import outputs
from evals.models import Judge, JudgeVersion, Label, LabelItem, Result, Run, SuiteVersion
from evals.services import calibrations
from evals.services import runs as run_services
from evals.services.judges import JudgeSpec, make_version
from evals.states import ResultState, RunState, ShardState
from infra import clock
from infra.actors import Actor
from releases.models import Checkpoint
from tests import builders as shared
from tests.evals import builders

CHOICES = {"good": 1.0, "bad": 0.0}
PROMPT = [{"role": "user", "content": "Is this kind? {{sample.output_text}}"}]


def spec(**fields: Any) -> JudgeSpec:
    """The judge `tone`."""
    values: dict[str, Any] = {
        "name": "tone",
        "question": "Is the answer kind?",
        "choices": CHOICES,
        "model": "judge-model",
        "prompt": PROMPT,
        "owner": "eval_owner@example.org",
    }
    return JudgeSpec(**{**values, **fields})


def made(cast: shared.Cast, **fields: Any) -> JudgeVersion:
    """Its next version."""
    return make_version(actor=cast.eval_owner, spec=spec(**fields)).version


def suite(n_cases: int, *, judge: str = "tone@1", more: Sequence[Mapping[str, Any]] = ()) -> Any:
    """A suite that the judge grades, on one component."""
    grader = {"type": "judge", "judge": judge, "components": ["tone"]}
    cases = [builders.case(number, components=[]) for number in range(n_cases)]
    return builders.suite_spec(
        n_cases, name="kind", cases=cases, graders=[grader, *more],
        components={"tone": "Is kind.", "echo.first": "", "echo.second": ""},
    )  # fmt: skip


def judged_run(
    version: SuiteVersion, checkpoint: Checkpoint, verdicts: Sequence[float | None]
) -> Run:
    """A finished run on which the judge gave these scores; None: the answer was a refusal."""
    run = builders.start(version, checkpoint)
    run.state, run.started_at = RunState.RUNNING.value, clock.now()
    run.save(update_fields=["state", "started_at"])
    cases = version.cases.order_by("position")
    Result.objects.bulk_create(
        _result(run, case, score) for case, score in zip(cases, verdicts, strict=True)
    )
    for state in (ShardState.RUNNING, ShardState.DONE):
        run.shards.update(state=state.value)
    assert run_services.finish_run(run_id=run.pk)
    run.refresh_from_db()
    return run


def _result(run: Run, case: Any, score: float | None) -> Result:
    state = ResultState.PASSED if score else ResultState.FAILED
    state = ResultState.REFUSED if score is None else state
    return Result(
        run=run,
        case=case,
        repeat=0,
        state=state.value,
        score=score or 0.0,
        components={"tone": {"score": score or 0.0, "explanation": "good" if score else "bad"}},
        explanation="judged",
        output=outputs.pack(outputs.Output(text=f"answer to {case.case_id}", finish_reason="stop")),
        recorded_at=clock.now(),
    )


def label_all(
    cast: shared.Cast, judge: Judge, truth: Mapping[str, float], *, apart: int = 0
) -> None:
    """Two raters label every item by the truth; the second differs on the first `apart` items."""
    items = judge.items.filter(is_asked=True, labels=None).order_by("rank")
    rows = []
    for at, item in enumerate(items):
        said = "good" if truth[_key(item)] else "bad"
        other = ("bad" if said == "good" else "good") if at < apart else said
        for rater, choice in ((cast.eval_owner, said), (cast.behaviour_reviewer, other)):
            now = clock.now()
            rows.append(Label(item=item, rater_id=rater.person_id, choice=choice, labelled_at=now))
    Label.objects.bulk_create(rows)


def _key(item: LabelItem) -> str:
    return f"{item.run_id}:{item.case_id}"


def truth_of(runs: Sequence[Run], verdicts: Mapping[Any, Sequence[float]], wrong: float,
             seed: int = 7) -> dict[str, float]:  # fmt: skip
    """What people say of each answer: the judge's verdict, but for that share of errors."""
    dice = random.Random(seed)
    found = {}
    for run in runs:
        cases = run.version.cases.order_by("position").values_list("case_id", flat=True)
        for case_id, score in zip(cases, verdicts[run.pk], strict=True):
            found[f"{run.pk}:{case_id}"] = 1 - score if dice.random() < wrong else score
    return found


def calibrated(actor: Actor, version: JudgeVersion) -> Any:
    """The version's calibration; every verdict comes from its runs."""
    found = calibrations.ask_for_calibration(actor=actor, version=version)
    assert found is not None
    return found
