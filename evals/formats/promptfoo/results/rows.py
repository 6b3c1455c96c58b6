"""One result of promptfoo's as one of ours: state, score, components, answer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from evals import graders
from evals.formats import carried
from evals.formats.documents import Placed
from evals.formats.results import ResultSpec
from evals.graders.contract import ComponentGrade, GradedCase
from evals.outputs import Output
from evals.states import ResultState

FAILED_BY_ERROR = 2
ERROR_CODE = "promptfoo_error"
GRADER_ERROR_CODE = "promptfoo_grader_error"


def result_of(
    place: Placed, where: tuple[str, int], scored: tuple[GradedCase, Sequence[str]], told: list[str]
) -> ResultSpec:
    """The result of the (case, repeat) `where`, with the components that are `scored` on it."""
    value = place.value
    case, labels = scored
    response = value.get("response") or {}
    usage = response.get("tokenUsage") or value.get("tokenUsage") or {}
    is_answered = response.get("output") is not None
    state, code = _state(value)
    shares = _shares(place, case, labels) if code == "" else {}
    return ResultSpec(
        case_id=where[0],
        repeat=where[1],
        state=state,
        score=_score(place, state, told),
        components=shares,
        output=_output(response) if is_answered else None,
        explanation=str((value.get("gradingResult") or {}).get("reason") or ""),
        error_code=code,
        error_message=str(value.get("error") or "") if code else "",
        tokens_in=usage.get("prompt") if is_answered else None,
        tokens_out=usage.get("completion") if is_answered else None,
        # promptfoo writes 0 where it knows no price.
        cost_micros=round(value["cost"] * 1_000_000) if value.get("cost") else None,
        latency_ms=None if response.get("cached") else value.get("latencyMs"),
    )


def _score(place: Placed, state: ResultState, told: list[str]) -> float | None:
    if state is ResultState.ERRORED:
        return None
    score = place.at("score").value
    if isinstance(score, int | float) and 0 <= score <= 1:
        return float(score)
    told.append(place.at("score").told(f"{score} is outside 0..1: kept as passed or not"))
    return float(state is ResultState.PASSED)


def _state(value: Mapping[str, Any]) -> tuple[ResultState, str]:
    if value.get("failureReason") == FAILED_BY_ERROR:
        return ResultState.ERRORED, ERROR_CODE
    parts = (value.get("gradingResult") or {}).get("componentResults") or ()
    if any((part.get("metadata") or {}).get("graderError") for part in parts):
        return ResultState.ERRORED, GRADER_ERROR_CODE
    return (ResultState.PASSED if value.get("success") else ResultState.FAILED), ""


def _shares(place: Placed, case: GradedCase, labels: Sequence[str]) -> dict[str, ComponentGrade]:
    """The score of each component: the metric's, else the mean of its assertions."""
    grading = place.at("gradingResult").value or {}
    named = grading.get("namedScores") or {}
    parts: dict[str, list[tuple[float, float, str]]] = {}
    for part in grading.get("componentResults") or ():
        assertion = part.get("assertion") or {}
        if "componentResults" in part or not assertion:
            continue
        scored = (float(assertion.get("weight", 1)), part["score"], str(part.get("reason", "")))
        for label in _labels_of(assertion, case):
            parts.setdefault(label, []).append(scored)
    shares = {}
    for label in labels:
        several = parts.get(label, [])
        total = sum(weight for weight, _, _ in several)
        score = named.get(label)
        if score is None and total > 0:
            score = sum(weight * one for weight, one, _ in several) / total
        if isinstance(score, int | float) and 0 <= score <= 1:
            said = "; ".join(reason for _, _, reason in several)
            shares[label] = ComponentGrade(score=float(score), explanation=said)
    return shares


def _labels_of(assertion: Mapping[str, Any], case: GradedCase) -> Sequence[str]:
    """The components of the grader that an exported assertion carries, else metric or type."""
    rider = (assertion.get("config") or {}).get(carried.KEY)
    if isinstance(rider, Mapping):
        return graders.check_case(rider, case)
    return [str(assertion.get("metric") or assertion.get("type"))]


def _output(response: Mapping[str, Any]) -> Output:
    given = response["output"]
    calls = given.get("tool_calls") if isinstance(given, Mapping) else given
    is_calls = isinstance(calls, list) and calls and all(_is_call(call) for call in calls)
    if is_calls:
        text = (given.get("content") or "") if isinstance(given, Mapping) else ""
    else:
        text = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
    return Output(
        text=text,
        tool_calls=calls if is_calls else (),
        finish_reason=response.get("finishReason"),
    )


def _is_call(value: object) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("function"), Mapping)
