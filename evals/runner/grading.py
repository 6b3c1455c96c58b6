"""From an answer, or the lack of one, to the row that is kept."""

from __future__ import annotations

from typing import Any

from evals import graders, outputs
from evals.graders.contract import Grade, GraderError, GraderSpecError, Sample
from evals.outputs import Output
from evals.runner.storage import ResultRow
from evals.runner.work import Call, ShardWork
from evals.states import ResultState
from infra import clock
from infra.ids import uuid7
from infra.inference import Completion, CompletionFailed


def graded_row(work: ShardWork, call: Call, completion: Completion) -> ResultRow:
    """The result of an answer; errored, with the answer kept, when a grader fails."""
    sample = Sample(
        output_text=completion.text,
        output_tools=completion.tool_calls,
        finish_reason=completion.finish_reason,
    )
    answered = _answered(work, completion)
    try:
        grade = graders.grade_sample(work.graders, call.case, sample, work.policy)
    except GraderError as error:
        return _errored(work, call, error.kind.value, error.message, answered)
    except GraderSpecError as error:
        return _errored(work, call, "grader_spec", str(error), answered)
    return _row(work, call, {**answered, **_graded(grade)})


def failed_row(work: ShardWork, call: Call, failure: CompletionFailed) -> ResultRow:
    """The result of a call that was never answered: errored, which is no score."""
    return _errored(work, call, failure.code, failure.message, {"n_calls": failure.n_calls})


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
    shares = {
        label: {"score": share.score, "explanation": _storable(share.explanation)}
        for label, share in grade.components.items()
    }
    return {
        "state": grade.state.value,
        "score": grade.score,
        "components": shares,
        "explanation": _storable(grade.explanation),
    }


def _errored(
    work: ShardWork, call: Call, code: str, message: str, known: dict[str, Any]
) -> ResultRow:
    error = {"error_code": code[:60], "error_message": _storable(message)}
    return _row(work, call, {**known, "state": ResultState.ERRORED.value, **error})


def _row(work: ShardWork, call: Call, values: dict[str, Any]) -> ResultRow:
    unknown: dict[str, Any] = {
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
    }
    return ResultRow(
        id=uuid7(),
        run_id=work.run_id,
        case_id=call.case_pk,
        repeat=call.repeat,
        recorded_at=clock.now(),
        **{**unknown, **values},
    )


def _storable(text: str) -> str:
    """PostgreSQL's text holds no NUL, UTF-8 no half of a surrogate pair."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
