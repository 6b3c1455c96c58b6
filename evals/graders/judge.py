"""A judge by name: a model grader whose agreement with people is known.

Settings name a version; before a run begins its model, prompt and choices are put beside the name
under `resolved`, so that grading itself looks nothing up.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evals.graders import templates
from evals.graders.contract import (
    COMPONENTS,
    Grade,
    GradedCase,
    GraderError,
    GraderErrorKind,
    Sample,
    Services,
    single_grade,
    single_labels,
)
from evals.graders.refusals import REFUSED_REASONS

TYPE = "judge"
RESOLVED = "resolved"
REFERENCE = r"^[a-z0-9][a-z0-9_-]{0,79}@[1-9][0-9]{0,8}$"
SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "required": ["judge"],
    "additionalProperties": False,
    "properties": {
        "components": COMPONENTS,
        # A version's number is part of the suite: another version is another measurement.
        "judge": {"type": "string", "pattern": REFERENCE},
    },
}
TARGET_SCHEMA: Mapping[str, Any] = {}
labels = single_labels
SHOWN = 200
# OpenAI's own spelling in graders, and the request's.
TOKENS = "max_completions_tokens", "max_completion_tokens"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a judge chose, and why."""

    choice: str
    explanation: str


def models(spec: Mapping[str, Any]) -> Sequence[str]:
    """The model that the resolved judge asks."""
    return [spec[RESOLVED]["model"]] if RESOLVED in spec else []


def grade(spec: Mapping[str, Any], case: GradedCase, sample: Sample) -> Grade:
    """Always refused: a judge is a model, and is asked in a run alone."""
    message = f"{spec['judge']} is a model: it answers in a run, not here"
    raise GraderError(GraderErrorKind.MODEL_SERVER, message)


async def grade_async(
    spec: Mapping[str, Any], case: GradedCase, sample: Sample, services: Services
) -> Grade:
    """The score of the judge's choice; GraderError when it made none."""
    if RESOLVED not in spec:
        message = f"{spec['judge']} was not looked up before the run"
        raise GraderError(GraderErrorKind.OTHER, message)
    resolved = spec[RESOLVED]
    answer = await ask(resolved, case, sample, services)
    said = f"{spec['judge']} says {answer.choice}: {answer.explanation}".rstrip(": ")
    return single_grade(spec, case, float(resolved["choices"][answer.choice]), said)


async def ask(
    resolved: Mapping[str, Any], case: GradedCase, sample: Sample, services: Services
) -> Answer:
    """The judge's choice on one sample; GraderError with its place in the taxonomy."""
    completion = await services.complete(resolved["model"], request(resolved, case, sample))
    if completion.finish_reason in REFUSED_REASONS:
        message = f"the judge declined: {_short(completion.text)}"
        raise GraderError(GraderErrorKind.MODEL_REFUSAL, message)
    return read(completion.text, list(resolved["choices"]))


def request(resolved: Mapping[str, Any], case: GradedCase, sample: Sample) -> dict[str, Any]:
    """The chat completion that asks it, without its model."""
    old, new = TOKENS
    settings = {new if name == old else name: v for name, v in resolved["parameters"].items()}
    messages = [
        {"role": one["role"], "content": templates.render(one["content"], case, sample)}
        for one in resolved["prompt"]
    ]
    return {**settings, "messages": messages, "response_format": _format(resolved["choices"])}


def read(text: str, choices: Sequence[str]) -> Answer:
    """The choice in a reply: JSON with `choice`, or the choice alone on its last line."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        last = text.strip().rsplit("\n", 1)[-1].strip(" \t.\"'`*")
        found = {"choice": last, "explanation": text.strip() if "\n" in text.strip() else ""}
    choice = found.get("choice") if isinstance(found, Mapping) else None
    if choice not in choices:
        message = f"the judge chose none of {', '.join(choices)}: {_short(text)}"
        raise GraderError(GraderErrorKind.MODEL_PARSE, message)
    return Answer(choice=str(choice), explanation=str(found.get("explanation") or ""))


def _format(choices: Mapping[str, float]) -> dict[str, Any]:
    """Reasons before the choice, so that the choice follows from them."""
    schema = {
        "type": "object",
        "required": ["explanation", "choice"],
        "additionalProperties": False,
        "properties": {
            "explanation": {"type": "string"},
            "choice": {"enum": list(choices)},
        },
    }
    named = {"name": "verdict", "strict": True, "schema": schema}
    return {"type": "json_schema", "json_schema": named}


def _short(text: str) -> str:
    return repr(text if len(text) <= SHOWN else text[: SHOWN - 1] + "…")
