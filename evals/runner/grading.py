"""From an answer, or the lack of one, to the row that is kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evals import graders, outputs
from evals.graders.contract import (
    ComponentGrade,
    Grade,
    GraderError,
    GraderSpecError,
    Sample,
    Ungradable,
)
from evals.outputs import Output
from evals.runner.grader_services import GraderServices
from evals.runner.replaying import sealed_values
from evals.runner.storage import ResultRow
from evals.runner.work import Call, ShardWork
from evals.states import ResultState
from infra import clock
from infra.ids import uuid7
from infra.inference import TIMED_OUT, Completion, CompletionFailed


def needs_services(work: ShardWork, call: Call) -> bool:
    """Whether a grader of this case waits for something outside; else `graded_row` is enough."""
    return any(graders.needs_services(spec) for spec in graders.of_case(work.graders, call.case))


def graded_row(work: ShardWork, call: Call, completion: Completion) -> ResultRow:
    """The result of an answer; errored, with the answer kept, when a grader fails."""
    answered = _answered(work, completion)
    try:
        grade = graders.grade_sample(work.graders, call.case, _sample(completion), work.policy)
    except (GraderError, GraderSpecError) as error:
        return _ungraded(work, call, error, answered)
    return _row(work, call, {**answered, **_graded(grade)})


async def graded_row_async(
    work: ShardWork, call: Call, completion: Completion, shared: GraderServices
) -> ResultRow:
    """As graded_row, for graders that need services; what they used is counted on the result."""
    services = shared.for_sample()
    answered = _answered(work, completion)
    try:
        grade = await graders.grade_sample_async(
            work.graders, call.case, _sample(completion), work.policy, services
        )
    except (GraderError, GraderSpecError) as error:
        return _ungraded(work, call, error, {**answered, **services.used.as_row()})
    return _row(work, call, {**answered, **services.used.as_row(), **_graded(grade)})


def _sample(completion: Completion) -> Sample:
    return Sample(
        output_text=completion.text,
        output_tools=completion.tool_calls,
        finish_reason=completion.finish_reason,
    )


def _ungraded(
    work: ShardWork, call: Call, error: GraderError | GraderSpecError, known: dict[str, Any]
) -> ResultRow:
    if isinstance(error, GraderError):
        return _errored(work, call, error.kind.value, error.message, known)
    return _errored(work, call, "grader_spec", str(error), known)


def failed_row(work: ShardWork, call: Call, failure: CompletionFailed) -> ResultRow:
    """The result of a call that was never answered: errored, which is no score.

    Where the suite says how long an answer may take, a later one is scored by its policy.
    """
    limit_s = work.policy.request_timeout_s
    if failure.code == TIMED_OUT and limit_s is not None:
        said = f"the model did not answer within {limit_s:g} s"
        try:
            grade = graders.by_policy(
                Ungradable.TIMED_OUT, work.graders, call.case, work.policy, said
            )
        except GraderSpecError as error:
            return _ungraded(work, call, error, {"n_calls": failure.n_calls})
        # The code stays with it, so that grading it again finds what it was.
        late = {"n_calls": failure.n_calls, "error_code": failure.code}
        return _row(work, call, {**late, **_graded(grade)})
    return _errored(work, call, failure.code, failure.message, {"n_calls": failure.n_calls})


def skipped_row(work: ShardWork, call: Call, because: str) -> ResultRow:
    """The result of a call that was never made: no score, and the reason."""
    skipped = {"state": ResultState.SKIPPED.value, "explanation": because, "n_calls": 0}
    return _row(work, call, skipped)


def _answered(work: ShardWork, completion: Completion) -> dict[str, Any]:
    output = Output(
        text=completion.text,
        tool_calls=completion.tool_calls,
        finish_reason=completion.finish_reason,
    )
    counted = (completion.tokens_in, completion.tokens_cached, completion.tokens_out)
    return {
        "output": outputs.pack(output),
        "n_calls": completion.n_calls,
        "tokens_in": completion.tokens_in,
        "tokens_out": completion.tokens_out,
        "cost_micros": work.pricing.cost_micros(*counted) if work.pricing else None,
        "latency_ms": completion.latency_ms,
    }


def _graded(grade: Grade) -> dict[str, Any]:
    return {
        "state": grade.state.value,
        "score": grade.score,
        "components": {label: _share(share) for label, share in grade.components.items()},
        "explanation": outputs.storable(grade.explanation),
    }


def _share(share: ComponentGrade) -> dict[str, Any]:
    return {"score": share.score, "explanation": outputs.storable(share.explanation)}


def _errored(
    work: ShardWork, call: Call, code: str, message: str, known: dict[str, Any]
) -> ResultRow:
    error = {"error_code": code[:60], "error_message": outputs.storable(message)}
    return _row(work, call, {**known, "state": ResultState.ERRORED.value, **error})


UNKNOWN: Mapping[str, Any] = {
    "score": None,
    "components": {},
    "explanation": "",
    "output": b"",
    "error_code": "",
    "error_message": "",
    "tokens_in": None,
    "tokens_out": None,
    "cost_micros": None,
    "latency_ms": None,
    "n_grader_calls": 0,
    "grader_tokens_in": None,
    "grader_tokens_out": None,
    "grader_cost_micros": None,
}


def _row(work: ShardWork, call: Call, values: dict[str, Any]) -> ResultRow:
    if call.seal is not None:
        values = sealed_values(call.seal, call.case_pk, values)
    return ResultRow(
        id=uuid7(),
        run_id=work.run_id,
        case_id=call.case_pk,
        repeat=call.repeat,
        recorded_at=clock.now(),
        **{**UNKNOWN, **values},
    )
