"""How graders ask a model: messages from templates, one JSON reply, read strictly."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evals.graders import refusals, templates
from evals.graders.contract import (
    GradedCase,
    GraderError,
    GraderErrorKind,
    GraderSpecError,
    Sample,
    Services,
)
from infra.inference import Completion

TEXT_PART: Mapping[str, Any] = {
    "type": "object",
    "required": ["type", "text"],
    "additionalProperties": False,
    "properties": {
        "type": {"enum": ["input_text", "output_text", "text"]},
        "text": {"type": "string"},
    },
}
MESSAGES: Mapping[str, Any] = {
    "type": "array",
    "minItems": 1,
    "items": {
        "type": "object",
        "required": ["role", "content"],
        "additionalProperties": False,
        "properties": {
            "type": {"const": "message"},
            "role": {"enum": ["system", "developer", "user", "assistant"]},
            "content": {
                "anyOf": [
                    {"type": "string"},
                    TEXT_PART,
                    {"type": "array", "items": TEXT_PART, "minItems": 1},
                ]
            },
        },
    },
}
"""OpenAI's `input`, texts only: graders of images and sounds are not offered."""
SAMPLING: Mapping[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        # OpenAI's own spelling, and the one that its chat completions take.
        "max_completions_tokens": {"type": ["integer", "null"], "minimum": 1},
        "max_completion_tokens": {"type": ["integer", "null"], "minimum": 1},
        "reasoning_effort": {"type": ["string", "null"]},
        "seed": {"type": ["integer", "null"]},
        "temperature": {"type": ["number", "null"], "minimum": 0},
        "top_p": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
    },
}
ASKING: Mapping[str, Any] = {
    "model": {"type": "string", "minLength": 1},
    "input": MESSAGES,
    "sampling_params": SAMPLING,
    "position_swap": {"type": "boolean"},
}
"""Settings of every grader that asks a model."""
PAIR: Mapping[str, Any] = {"candidate": {"type": "string"}, "other": {"type": "string"}}
PLACE = re.compile(r"\{\{\s*pair\.(first|second)\s*\}\}")
STEPS: Mapping[str, Any] = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["description", "conclusion"],
        "additionalProperties": False,
        "properties": {"description": {"type": "string"}, "conclusion": {"type": "string"}},
    },
}
LONGEST_EXPLANATION = 2_000
SHOWN = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the model said."""

    result: Any
    """The reply's `result`, of any JSON type; or the whole reply when it is no object."""
    explanation: str
    """The conclusions of its steps."""


def models(spec: Mapping[str, Any]) -> tuple[str, ...]:
    """The one model that such a grader asks."""
    return (spec["model"],)


def check_pair(spec: Mapping[str, Any]) -> None:
    """GraderSpecError unless `pair`, its two places and `position_swap` go together."""
    named = {place for text in _texts(spec["input"]) for place in PLACE.findall(text)}
    if "pair" in spec and named != {"first", "second"}:
        message = "must hold {{pair.first}} and {{pair.second}}, where the two answers stand"
        raise GraderSpecError("input", message)
    if "pair" not in spec and named:
        message = "is missing: name the templates `candidate` and `other` of the two answers"
        raise GraderSpecError("pair", message)
    if spec.get("position_swap") and "pair" not in spec:
        raise GraderSpecError("position_swap", "needs a `pair`: there is nothing to swap")


async def verdicts(
    spec: Mapping[str, Any],
    case: GradedCase,
    sample: Sample,
    services: Services,
    result: Mapping[str, Any],
) -> tuple[Verdict, ...]:
    """What the model says, once for each order of the pair that is asked, the candidate first.

    `result` is the JSON Schema of the reply's `result`. GraderError `model_grader_…_error`.
    """
    if "pair" not in spec:
        return (await _ask(spec, case, sample, services, result, {}),)
    texts = {name: templates.render(spec["pair"][name], case, sample) for name in PAIR}
    candidate, other = texts["candidate"], texts["other"]
    orders = [(candidate, other)]
    if spec.get("position_swap"):
        orders.append((other, candidate))
    return tuple(
        [
            await _ask(spec, case, sample, services, result, {"first": first, "second": second})
            for first, second in orders
        ]
    )


async def _ask(
    spec: Mapping[str, Any],
    case: GradedCase,
    sample: Sample,
    services: Services,
    result: Mapping[str, Any],
    pair: Mapping[str, str],
) -> Verdict:
    body = {
        **_sampling(spec.get("sampling_params", {})),
        "messages": [
            {"role": message["role"], "content": _content(message["content"], case, sample, pair)}
            for message in spec["input"]
        ],
        "response_format": _reply_format(result),
    }
    return read(spec["model"], await services.complete(spec["model"], body))


def read(model: str, completion: Completion) -> Verdict:
    """The reply's verdict; GraderError for a refusal and for what is not the JSON asked for."""
    if completion.finish_reason in refusals.REFUSED_REASONS:
        said = completion.text[:SHOWN] or completion.finish_reason
        raise GraderError(GraderErrorKind.MODEL_REFUSAL, f"{model} refused to grade: {said}")
    text = completion.text.strip()
    try:
        reply = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        if completion.finish_reason == "length":
            why = "was cut off at its token limit: raise max_completions_tokens"
            raise _unreadable(model, why, text) from None
        # A label may come bare; a score that is no JSON number is refused by its grader.
        return Verdict(result=text, explanation="")
    if not isinstance(reply, Mapping):
        return Verdict(result=reply, explanation="")
    if "result" not in reply:
        raise _unreadable(model, "has no `result`", text)
    return Verdict(result=reply["result"], explanation=_conclusions(reply.get("steps")))


def unreadable(spec: Mapping[str, Any], verdict: Verdict, wanted: str) -> GraderError:
    """The error of a verdict that is not what was asked for: errored, never a zero."""
    return _unreadable(
        spec["model"], f"is not {wanted}", json.dumps(verdict.result, ensure_ascii=False)
    )


def _unreadable(model: str, why: str, text: str) -> GraderError:
    shown = text if len(text) <= SHOWN else text[:SHOWN] + "…"
    return GraderError(GraderErrorKind.MODEL_PARSE, f"the reply of {model} {why}: {shown}")


def _conclusions(steps: Any) -> str:
    if not isinstance(steps, Sequence) or isinstance(steps, str):
        return ""
    said = [step.get("conclusion") for step in steps if isinstance(step, Mapping)]
    return "; ".join(text for text in said if isinstance(text, str))[:LONGEST_EXPLANATION]


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _reply_format(result: Mapping[str, Any]) -> dict[str, Any]:
    """The steps come first, so that the model reasons before it decides."""
    schema = {
        "type": "object",
        "required": ["steps", "result"],
        "additionalProperties": False,
        "properties": {"steps": STEPS, "result": result},
    }
    named = {"name": "grade", "strict": True, "schema": schema}
    return {"type": "json_schema", "json_schema": named}


def _sampling(given: Mapping[str, Any]) -> dict[str, Any]:
    """As chat completions take it; what is null is left to the model's own default."""
    renamed = {"max_completions_tokens": "max_completion_tokens"}
    return {renamed.get(name, name): value for name, value in given.items() if value is not None}


def _content(
    content: Any, case: GradedCase, sample: Sample, pair: Mapping[str, str]
) -> str | list[dict[str, str]]:
    if isinstance(content, str):
        return _filled(content, case, sample, pair)
    if isinstance(content, Mapping):
        return _filled(content["text"], case, sample, pair)
    return [{"type": "text", "text": _filled(part["text"], case, sample, pair)} for part in content]


def _filled(template: str, case: GradedCase, sample: Sample, pair: Mapping[str, str]) -> str:
    """Each part on its own, so that no answer can bring a template along."""
    parts = PLACE.split(template)
    return "".join(
        pair[part] if index % 2 else templates.render(part, case, sample)
        for index, part in enumerate(parts)
    )


def _texts(messages: Sequence[Mapping[str, Any]]) -> list[str]:
    found: list[str] = []
    for message in messages:
        content = message["content"]
        parts = content if isinstance(content, list) else [content]
        found += [part if isinstance(part, str) else part["text"] for part in parts]
    return found
