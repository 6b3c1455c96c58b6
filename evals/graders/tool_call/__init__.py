"""`tool_call`: the right functions with accepted arguments, or no call where none is right."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evals import components
from evals.graders import refusals
from evals.graders.contract import (
    ComponentGrade,
    Grade,
    GradedCase,
    Sample,
    component_grade,
    state_of,
    unparsable,
)
from evals.graders.tool_call.matching import Match, matched
from evals.graders.tool_call.reading import Call, Unreadable, calls_of, plain_name

SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "prefix": {"type": "string"},
        "answer": {"enum": ["any", "tools", "text"]},
        "order": {"enum": ["any", "same"]},
        "texts": {"enum": ["loose", "exact"]},
        "arguments": {"enum": ["by_name", "by_function", "together"]},
        "overall": {"enum": ["mean", "all"]},
    },
}
TARGET_SCHEMA: Mapping[str, Any] = {
    "type": "array",
    "description": "As BFCL's ground truth: [{function: {argument: [accepted]}}]; [] is no call",
    "items": {
        "type": "object",
        "minProperties": 1,
        "maxProperties": 1,
        "propertyNames": {"minLength": 1},
        "additionalProperties": {
            "type": "object",
            "propertyNames": {"minLength": 1},
            "additionalProperties": {"type": "array", "minItems": 1},
        },
    },
}
FUNCTION = "function"
ARGUMENT = "argument"
NOTHING_ELSE = "nothing_else"
NO_CALL = "no_call"
SHOWN = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """One component's part in one expected call."""

    label: str
    right: bool
    said: str


def labels(spec: Mapping[str, Any], case: GradedCase) -> tuple[str, ...]:
    """`function`, one an argument, and `nothing_else`; `no_call` alone where none is expected."""
    if not case.target:
        return (_label(spec, NO_CALL),)
    arguments = {
        _argument_label(spec, call.name, name): None
        for call in _expected(case)
        for name in call.arguments
    }
    return (_label(spec, FUNCTION), *arguments, _label(spec, NOTHING_ELSE))


def grade(spec: Mapping[str, Any], case: GradedCase, sample: Sample) -> Grade:
    """The mean of the components; with `overall: all`, 1 only when every one is right."""
    try:
        given = calls_of(sample, spec.get("answer", "any"), _argument_order(case))
    except Unreadable as error:
        return unparsable(str(error))
    if not case.target:
        return component_grade(spec, {_label(spec, NO_CALL): _no_call(given)})
    if not given and refusals.sounds_like_refusal(sample):
        return unparsable("the answer calls nothing and reads like a refusal")
    shares = _shares(spec, case, given)
    found = component_grade(spec, shares)
    if spec.get("overall", "mean") == "mean":
        return found
    whole = float(all(share.score == 1 for share in shares.values()))
    return Grade(
        state=state_of(spec, whole),
        score=whole,
        components=shares,
        explanation=found.explanation,
    )


def _expected(case: GradedCase) -> list[Call]:
    pairs = (pair for call in case.target for pair in call.items())
    return [Call(name=name, arguments=arguments) for name, arguments in pairs]


def _no_call(given: Sequence[Call]) -> ComponentGrade:
    if not given:
        return ComponentGrade(score=1.0, explanation="calls nothing, as is right")
    said = f"calls {_names(given)} where no call is right"
    return ComponentGrade(score=0.0, explanation=said)


def _shares(
    spec: Mapping[str, Any], case: GradedCase, given: Sequence[Call]
) -> dict[str, ComponentGrade]:
    expected = _expected(case)
    types = _argument_types(case)
    exact = spec.get("texts", "loose") == "exact"
    found = matched(expected, given, types, exact=exact, in_order=spec.get("order") == "same")
    judged: dict[str, list[_Judged]] = {label: [] for label in labels(spec, case)}
    for match in found.matches:
        for part in _judged(spec, match):
            judged[part.label].append(part)
    shares = {label: _share(parts) for label, parts in judged.items() if parts}
    nothing_else = _label(spec, NOTHING_ELSE)
    shares[nothing_else] = _nothing_else(found.matches, found.unexpected)
    return {label: shares[label] for label in judged}


def _judged(spec: Mapping[str, Any], match: Match) -> Iterable[_Judged]:
    name = match.expected.name
    called = match.given is not None
    said = "" if called else f"{name} is not called"
    yield _Judged(label=_label(spec, FUNCTION), right=called, said=said)
    for argument, problem in match.problems.items():
        yield _Judged(
            label=_argument_label(spec, name, argument),
            right=not problem,
            said=problem[:SHOWN],
        )


def _share(parts: Sequence[_Judged]) -> ComponentGrade:
    wrong = [part.said for part in parts if not part.right]
    said = "; ".join(wrong) or "as expected"
    return ComponentGrade(score=1 - len(wrong) / len(parts), explanation=said)


def _nothing_else(matches: Sequence[Match], unexpected: Sequence[Call]) -> ComponentGrade:
    said = [f"{_names(unexpected)} is called too"] if unexpected else []
    said += [
        f"{match.expected.name} is given {', '.join(match.unexpected)} too"
        for match in matches
        if match.unexpected
    ]
    return ComponentGrade(
        score=float(not said),
        explanation="; ".join(said)[:SHOWN] or "nothing beyond the expected",
    )


def _names(calls: Sequence[Call]) -> str:
    return ", ".join(call.name for call in calls)[:SHOWN]


def _label(spec: Mapping[str, Any], *parts: str) -> str:
    prefix = spec.get("prefix", "tools")
    label = components.join(parts)
    return f"{prefix}.{label}" if prefix else label


def _argument_label(spec: Mapping[str, Any], function: str, argument: str) -> str:
    kept = {
        "by_name": (ARGUMENT, argument),
        "by_function": (ARGUMENT, function, argument),
        "together": (ARGUMENT,),
    }[spec.get("arguments", "by_name")]
    return _label(spec, *kept)


def _functions(case: GradedCase) -> Iterable[tuple[str, Mapping[str, Any]]]:
    """Each tool's plain name with its arguments' schemas, in OpenAI's shape or BFCL's bare one."""
    for tool in case.tools:
        function = tool.get("function", tool)
        parameters = function.get("parameters") if isinstance(function, Mapping) else None
        if isinstance(parameters, Mapping) and isinstance(parameters.get("properties"), Mapping):
            yield plain_name(str(function.get("name"))), parameters["properties"]


def _argument_order(case: GradedCase) -> dict[str, tuple[str, ...]]:
    return {name: tuple(properties) for name, properties in _functions(case)}


def _argument_types(case: GradedCase) -> dict[tuple[str, str], str]:
    return {
        (name, argument): schema["type"]
        for name, properties in _functions(case)
        for argument, schema in properties.items()
        if isinstance(schema, Mapping) and isinstance(schema.get("type"), str)
    }
