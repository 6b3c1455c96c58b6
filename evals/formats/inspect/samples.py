"""Inspect's samples as cases and results. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evals.formats.contract import CaseSpec
from evals.formats.inspect import messages
from evals.formats.inspect.scores import Base, Grouping, graded, number_of, values_of
from evals.formats.results import ResultSpec
from evals.outputs import Output
from evals.states import ResultState

MICROS = 1_000_000
STOPPED = {"stop": "stop", "max_tokens": "length", "tool_calls": "tool_calls"}
"""Inspect's stop reasons that have another name in chat completions."""
BROKEN = {"grader_failed", "scoring_failed"}
"""Reasons of a score that blame the scorer: the result is errored, not unscored."""


def case_of(sample: Mapping[str, Any], labels: Sequence[str]) -> CaseSpec:
    """The sample as a case; messages.Unknown for an input that can't be sent."""
    metadata = messages.plain(dict(sample.get("metadata") or {}))
    if sample.get("choices"):
        metadata["choices"] = sample["choices"]
    return CaseSpec(
        case_id=str(sample["id"]),
        input=messages.of_input(sample["input"]),
        target=messages.plain(sample.get("target")),
        metadata=metadata,
        components=tuple(labels),
    )


def scored_bases(sample: Mapping[str, Any]) -> set[Base]:
    """The scorers, and keys of theirs, that gave this sample a score in 0..1."""
    found = set()
    for name, score in (sample.get("scores") or {}).items():
        for base, value in values_of(name, score.get("value")):
            number = number_of(value)
            if number is not None and 0 <= number <= 1:
                found.add(base)
    return found


def result_of(sample: Mapping[str, Any], model: str, grouping: Grouping) -> ResultSpec:
    """The sample's result: scored, errored with its reason, or unscored."""
    scores = sample.get("scores") or {}
    score, shares, unscored = graded(scores, grouping, sample.get("metadata") or {})
    state, error = _state(sample, score)
    return ResultSpec(
        case_id=str(sample["id"]),
        repeat=int(sample["epoch"]) - 1,
        state=state,
        score=score,
        components=shares,
        output=_output(sample.get("output") or {}),
        explanation="; ".join([*_said(shares), *unscored]),
        error_code=error[0],
        error_message=error[1],
        n_calls=1 + len(sample.get("error_retries") or ()),
        **_usage(sample, model),
    )


def _state(sample: Mapping[str, Any], score: float | None) -> tuple[ResultState, tuple[str, str]]:
    reasons = {score.get("reason") for score in (sample.get("scores") or {}).values()}
    if score is not None:
        if "refusal" in reasons:
            return ResultState.REFUSED, ("", "")
        return (ResultState.PASSED if score >= 1 else ResultState.FAILED), ("", "")
    if sample.get("error"):
        return ResultState.ERRORED, ("sample_error", str(sample["error"].get("message", "")))
    broken = sorted(str(reason) for reason in reasons & BROKEN)
    if broken:
        return ResultState.ERRORED, (broken[0], "Inspect's scorer gave no score.")
    limit = (sample.get("limit") or {}).get("type")
    message = f"the sample ended at its limit of {limit}" if limit else "no scorer gave a score"
    return ResultState.UNSCORED, ("not_scored", message)


def _said(shares: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys(share.explanation for share in shares.values() if share.explanation))


def _output(output: Mapping[str, Any]) -> Output | None:
    choices = output.get("choices") or ()
    if not choices:
        return None
    reason = choices[0].get("stop_reason")
    return Output(
        text=output.get("completion") or "",
        tool_calls=messages.tool_calls(choices[0].get("message") or {}),
        finish_reason=STOPPED.get(reason, reason),
    )


def _usage(sample: Mapping[str, Any], model: str) -> dict[str, Any]:
    """Tokens and cost of the model that was evaluated, not of the ones that graded."""
    used = (sample.get("model_usage") or {}).get(model) or {}
    time_s = (sample.get("output") or {}).get("time")
    cost = used.get("total_cost")
    read = ("input_tokens", "input_tokens_cache_read", "input_tokens_cache_write")
    return {
        "tokens_in": sum(used.get(name) or 0 for name in read) if used else None,
        "tokens_out": used.get("output_tokens") if used else None,
        "cost_micros": None if cost is None else round(cost * MICROS),
        "latency_ms": None if time_s is None else 1000 * time_s,
    }
