"""OpenAI's `multi`: several graders' scores joined by a formula, which is never run as code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from evals import components, graders
from evals.graders.contract import (
    COMPONENTS,
    ComponentGrade,
    Grade,
    GradedCase,
    GraderError,
    GraderErrorKind,
    GraderSpecError,
    Sample,
    Services,
    single_grade,
    single_labels,
)
from evals.graders.multi import formula

SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "required": ["graders", "calculate_output"],
    "additionalProperties": False,
    "properties": {
        "components": COMPONENTS,
        "graders": {
            "type": ["object", "array"],
            "minProperties": 1,
            "minItems": 1,
            "additionalProperties": True,
            "items": {"type": "object", "required": ["name"]},
        },
        "calculate_output": {"type": "string", "minLength": 1},
        "prefix": {"type": "string", "minLength": 1},
    },
}
TARGET_SCHEMA: Mapping[str, Any] = {}
NEVER_INSIDE: Mapping[str, str] = {
    "external": "its scores were made elsewhere",
    "judge": "it stands by itself, so that its error counts; a score_model may be here",
    "multi": "write one formula",
}


def labels(spec: Mapping[str, Any], case: GradedCase) -> tuple[str, ...]:
    """The case's components, and one a grader under `prefix`; checks graders and formula."""
    named = _named(spec)
    for key, inner in named.items():
        try:
            _check_inner(inner, case)
        except GraderSpecError as error:
            where = f"graders.{key}.{error.field_name}".rstrip(".")
            raise GraderSpecError(where, error.problem) from error
    try:
        _formula(spec)
    except GraderError as error:
        raise GraderSpecError("calculate_output", str(error)) from error
    return (*single_labels(spec, case), *(label for label, _ in _own_labels(spec)))


def grade(spec: Mapping[str, Any], case: GradedCase, sample: Sample) -> Grade:
    """What the formula makes of the scores, in 0..1; unreadable when it is for any grader."""
    named = _named(spec)
    return _joined(spec, case, {key: graders.grade_one(named[key], case, sample) for key in named})


async def grade_async(
    spec: Mapping[str, Any], case: GradedCase, sample: Sample, services: Services
) -> Grade:
    """As grade, where a grader asks a model or runs a process; one after the other."""
    found = {}
    for key, inner in _named(spec).items():
        found[key] = await graders.grade_one_async(inner, case, sample, services)
    return _joined(spec, case, found)


def needs_services(spec: Mapping[str, Any]) -> bool:
    """Whether any of the graders does."""
    return any(graders.needs_services(inner) for inner in _named(spec).values())


def models(spec: Mapping[str, Any]) -> frozenset[str]:
    """The models that the graders ask."""
    return frozenset().union(*(graders.models_of(inner) for inner in _named(spec).values()))


def _named(spec: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The graders by the names that the formula uses: a map, a list, or one alone."""
    given = spec["graders"]
    if isinstance(given, Mapping) and not isinstance(given.get("type"), str):
        return dict(given)
    listed = [given] if isinstance(given, Mapping) else given
    named: dict[str, Mapping[str, Any]] = {}
    for place, inner in enumerate(listed):
        name = inner.get("name")
        if not isinstance(name, str) or not name or name in named:
            message = f"{name!r} is no name of its own, by which the formula could call it"
            raise GraderSpecError(f"graders[{place}].name", message)
        named[name] = inner
    return named


def _check_inner(inner: Any, case: GradedCase) -> None:
    kind = inner.get("type") if isinstance(inner, Mapping) else None
    if isinstance(kind, str) and kind in NEVER_INSIDE:
        raise GraderSpecError("type", f"a multi grader holds no {kind}: {NEVER_INSIDE[kind]}")
    graders.check_spec(inner)
    graders.check_case(inner, case)


def _formula(spec: Mapping[str, Any]) -> formula.Formula:
    try:
        found = formula.parse(spec["calculate_output"])
    except formula.FormulaError as error:
        message = f"the formula {spec['calculate_output'][:80]!r} {error}"
        raise GraderError(GraderErrorKind.FORMULA_PARSE, message) from error
    unknown = sorted(found.names - _named(spec).keys())
    if unknown:
        known = ", ".join(_named(spec))
        message = f"no grader is named {', '.join(unknown)}; there are {known}"
        raise GraderError(GraderErrorKind.INVALID_VARIABLE, message)
    return found


def _own_labels(spec: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each grader's label under `prefix` with its name; none without a prefix."""
    if "prefix" in spec:
        for key in _named(spec):
            yield f"{spec['prefix']}.{components.join([key])}", key


def _joined(spec: Mapping[str, Any], case: GradedCase, found: Mapping[str, Grade]) -> Grade:
    for key, inner in found.items():
        if inner.score is None:
            return Grade(
                state=inner.state,
                score=None,
                explanation=f"{key}: {inner.explanation}",
                parsed=inner.parsed,
            )
    scores = {key: inner.score for key, inner in found.items() if inner.score is not None}
    score = _value(spec, scores)
    said = ", ".join(f"{key}={value:.3g}" for key, value in scores.items())
    whole = single_grade(spec, case, score, f"{spec['calculate_output']} = {score:.3g} for {said}")
    parts = {
        label: ComponentGrade(score=scores[key], explanation=found[key].explanation)
        for label, key in _own_labels(spec)
    }
    return Grade(
        state=whole.state,
        score=score,
        components={**whole.components, **parts},
        explanation=whole.explanation,
    )


def _value(spec: Mapping[str, Any], scores: Mapping[str, float]) -> float:
    try:
        value = _formula(spec).value(scores)
    except formula.NoValue as error:
        raise GraderError(GraderErrorKind.OTHER, str(error)) from error
    # What sums of thirds miss by rounding is no score outside the range.
    if -1e-9 <= value <= 1 + 1e-9:
        return min(1.0, max(0.0, value))
    message = (
        f"{spec['calculate_output']!r} is {value:g}, outside 0 to 1: scale it, or use min, max"
    )
    raise GraderError(GraderErrorKind.OTHER, message)
