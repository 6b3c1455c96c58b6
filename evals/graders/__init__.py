"""The registry of graders, and the one call that grades a sample."""

from __future__ import annotations

import functools
import importlib
import math
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from evals import components
from evals.graders import refusals
from evals.graders.contract import (
    ComponentGrade,
    Grade,
    GradedCase,
    Grader,
    GraderError,
    GraderErrorKind,
    GraderSpecError,
    Policy,
    Sample,
    Ungradable,
)
from evals.states import SCORED, ResultState

ENTRY_POINTS = "slipway.graders"
BUILT_IN = {
    name: f"evals.graders.{name}"
    for name in ("ifeval", "json_schema", "numeric", "regex", "sql", "string_check")
}
COMMON_PROPERTIES: Mapping[str, Any] = {
    "type": {"type": "string"},
    "name": {"type": "string", "minLength": 1},
    "weight": {"type": "number", "exclusiveMinimum": 0},
    "pass_threshold": {"type": "number", "minimum": 0, "maximum": 1},
}


def names() -> tuple[str, ...]:
    """Every grader that can be named, built in or installed."""
    installed = {point.name for point in entry_points(group=ENTRY_POINTS)}
    return tuple(sorted(set(BUILT_IN) | installed))


@functools.cache
def get(name: str) -> Grader:
    """The grader of this name; a built-in cannot be replaced by an installed one."""
    if name in BUILT_IN:
        return importlib.import_module(BUILT_IN[name])
    for point in entry_points(group=ENTRY_POINTS):
        if point.name == name:
            return point.load()  # type: ignore[no-any-return]
    known = ", ".join(names())
    raise GraderSpecError("type", f"unknown grader {name!r}; the graders here are {known}")


def check_spec(spec: Mapping[str, Any]) -> None:
    """Refuse settings that the grader does not take, naming the field."""
    name = spec.get("type")
    if not isinstance(name, str):
        raise GraderSpecError("type", "a grader's type is missing")
    schema = get(name).SCHEMA
    whole = {**schema, "properties": {**COMMON_PROPERTIES, **schema.get("properties", {})}}
    _check_schema(spec, whole, prefix="")
    for index, label in enumerate(spec.get("components", ())):
        try:
            components.parse(label)
        except components.ComponentError as error:
            raise GraderSpecError(f"components[{index}]", str(error)) from error


def check_case(spec: Mapping[str, Any], case: GradedCase) -> tuple[str, ...]:
    """The components this grader will score on the case; GraderSpecError for a bad target."""
    grader = get(spec["type"])
    _check_schema(case.target, grader.TARGET_SCHEMA, prefix="target")
    return grader.labels(spec, case)


def _check_schema(value: object, schema: Mapping[str, Any], prefix: str) -> None:
    error = best_match(Draft202012Validator(schema).iter_errors(value))
    if error is None:
        return
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.path)
    raise GraderSpecError((prefix + path).lstrip("."), error.message)


def grade_one(spec: Mapping[str, Any], case: GradedCase, sample: Sample) -> Grade:
    """One grader's own answer, before the suite's policy; GraderError when it failed."""
    try:
        grade = get(spec["type"]).grade(spec, case, sample)
    except (GraderError, GraderSpecError):
        raise
    except Exception as error:
        kind = GraderErrorKind.OTHER
        raise GraderError(kind, f"{spec['type']} crashed: {error!r}") from error
    scores = [grade.score, *(share.score for share in grade.components.values())]
    if any(score is not None and not _is_share(score) for score in scores):
        raise GraderError(GraderErrorKind.OTHER, f"{spec['type']} gave a score outside 0..1")
    if grade.score is None and grade.parsed and grade.state in SCORED:
        raise GraderError(GraderErrorKind.OTHER, f"{spec['type']} gave no score")
    return grade


def _is_share(score: float) -> bool:
    return math.isfinite(score) and 0.0 <= score <= 1.0


def grade_sample(
    specs: Sequence[Mapping[str, Any]], case: GradedCase, sample: Sample, policy: Policy
) -> Grade:
    """The sample's grade by all of a suite's graders; GraderError when any of them failed."""
    if refusals.is_refusal(sample, policy):
        return by_policy(Ungradable.REFUSED, specs, case, policy, "the model refused to answer")
    grades = [_settled(spec, case, sample, policy) for spec in specs]
    if len(grades) == 1:
        return grades[0]
    return _merged(specs, grades)


def by_policy(
    kind: Ungradable,
    specs: Sequence[Mapping[str, Any]],
    case: GradedCase,
    policy: Policy,
    explanation: str,
) -> Grade:
    """The grade of an answer without gradable content: every component gets the policy's score."""
    score = float(getattr(policy, kind.value))
    said = f"{explanation}: scored {score:g} by the suite's policy"
    share = ComponentGrade(score=score, explanation=said)
    labels = {label for spec in specs for label in get(spec["type"]).labels(spec, case)}
    return Grade(
        state=ResultState.REFUSED if kind is Ungradable.REFUSED else ResultState.FAILED,
        score=score,
        components=dict.fromkeys(sorted(labels), share),
        explanation=said,
        parsed=False,
    )


def _settled(spec: Mapping[str, Any], case: GradedCase, sample: Sample, policy: Policy) -> Grade:
    grade = grade_one(spec, case, sample)
    if grade.parsed or grade.score is not None:
        return grade
    if grade.state is ResultState.REFUSED or refusals.sounds_like_refusal(sample):
        return by_policy(Ungradable.REFUSED, [spec], case, policy, "the model refused to answer")
    return by_policy(Ungradable.UNPARSABLE, [spec], case, policy, grade.explanation)


def _merged(specs: Sequence[Mapping[str, Any]], grades: Sequence[Grade]) -> Grade:
    """Weighted means per component and over all; passed only when every scoring grader passed."""
    scored = [
        (spec.get("weight", 1.0), grade.score, grade)
        for spec, grade in zip(specs, grades, strict=True)
        if grade.score is not None
    ]
    said = "; ".join(grade.explanation for grade in grades if grade.explanation)
    if not scored:
        return Grade(state=ResultState.UNSCORED, score=None, explanation=said)
    shares: dict[str, list[tuple[float, ComponentGrade]]] = {}
    for weight, _, grade in scored:
        for label, share in grade.components.items():
            shares.setdefault(label, []).append((weight, share))
    return Grade(
        state=_worst([grade.state for _, _, grade in scored]),
        score=_mean([(weight, score) for weight, score, _ in scored]),
        components={label: _blend(parts) for label, parts in sorted(shares.items())},
        explanation=said,
        parsed=all(grade.parsed for _, _, grade in scored),
    )


def _worst(states: Sequence[ResultState]) -> ResultState:
    for state in (ResultState.REFUSED, ResultState.FAILED):
        if state in states:
            return state
    return ResultState.PASSED


def _mean(weighted: Sequence[tuple[float, float]]) -> float:
    return sum(weight * score for weight, score in weighted) / sum(w for w, _ in weighted)


def _blend(parts: Sequence[tuple[float, ComponentGrade]]) -> ComponentGrade:
    return ComponentGrade(
        score=_mean([(weight, share.score) for weight, share in parts]),
        explanation="; ".join(share.explanation for _, share in parts if share.explanation),
    )
