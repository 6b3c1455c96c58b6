"""The registry of graders, and the one call that grades a sample."""

from __future__ import annotations

import asyncio
import functools
import importlib
import math
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import entry_points
from typing import Any, cast

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from evals import components
from evals.graders import merging, refusals
from evals.graders.contract import (
    AsyncGrader,
    ComponentGrade,
    Grade,
    GradedCase,
    Grader,
    GraderError,
    GraderErrorKind,
    GraderSpecError,
    Policy,
    Sample,
    Services,
    Ungradable,
    UnreadableSample,
    unparsable,
)
from evals.states import SCORED, ResultState

ENTRY_POINTS = "slipway.graders"
BUILT_IN = {
    name: f"evals.graders.{name}"
    for name in (
        "ask_or_proceed",
        "external",
        "human",
        "ifeval",
        "json_schema",
        "judge",
        "long_context",
        "multi",
        "label_model",
        "numeric",
        "python",
        "regex",
        "score_model",
        "sql",
        "string_check",
        "text_similarity",
        "tool_call",
    )
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
    if not isinstance(spec, Mapping):
        raise GraderSpecError("", f"{spec!r} is no grader: write an object with a `type`")
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


def of_case(specs: Sequence[Mapping[str, Any]], case: GradedCase) -> tuple[Mapping[str, Any], ...]:
    """The suite's graders, then the case's own."""
    return (*specs, *case.graders)


def check_graded(
    specs: Sequence[Mapping[str, Any]], case: GradedCase
) -> Iterator[tuple[Mapping[str, Any], tuple[str, ...]]]:
    """Each grader of the case with the components it will score; GraderSpecError.

    `specs` are the suite's, checked already; the case's own are checked here.
    """
    if not of_case(specs, case):
        raise GraderSpecError("graders", "nothing grades this case: the suite has no graders")
    for index, spec in enumerate(case.graders):
        try:
            check_spec(spec)
        except GraderSpecError as error:
            where = f"graders[{index}].{error.field_name}".rstrip(".")
            raise GraderSpecError(where, error.problem) from error
    for spec in of_case(specs, case):
        yield spec, check_case(spec, case)


def _check_schema(value: object, schema: Mapping[str, Any], prefix: str) -> None:
    error = best_match(Draft202012Validator(schema).iter_errors(value))
    if error is None:
        return
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.path)
    raise GraderSpecError((prefix + path).lstrip("."), error.message)


def needs_services(spec: Mapping[str, Any]) -> bool:
    """Whether this grader waits for something else than the processor: a model, a process."""
    grader = get(spec["type"])
    if not hasattr(grader, "grade_async"):
        return False
    asks = getattr(grader, "needs_services", None)
    return bool(asks is None or asks(spec))


def models_of(spec: Mapping[str, Any]) -> frozenset[str]:
    """The models that this grader asks, by the names that its settings use."""
    models = getattr(get(spec["type"]), "models", None)
    return frozenset(models(spec)) if models else frozenset()


def grade_one(spec: Mapping[str, Any], case: GradedCase, sample: Sample) -> Grade:
    """One grader's own answer, before the suite's policy; GraderError when it failed."""
    if needs_services(spec):
        message = f"{spec['type']} calls something outside and can't grade without it"
        raise GraderError(GraderErrorKind.OTHER, message)
    try:
        grade = get(spec["type"]).grade(spec, case, sample)
    except UnreadableSample as error:
        return unparsable(str(error))
    except (GraderError, GraderSpecError):
        raise
    except Exception as error:
        raise _crashed(spec, error) from error
    return _checked(spec, grade)


async def grade_one_async(
    spec: Mapping[str, Any], case: GradedCase, sample: Sample, services: Services
) -> Grade:
    """As grade_one, for every grader: one that needs nothing else works on a thread."""
    if not needs_services(spec):
        return await asyncio.to_thread(grade_one, spec, case, sample)
    try:
        grader = cast("AsyncGrader", get(spec["type"]))
        grade = await grader.grade_async(spec, case, sample, services)
    except UnreadableSample as error:
        return unparsable(str(error))
    except (GraderError, GraderSpecError):
        raise
    except Exception as error:
        raise _crashed(spec, error) from error
    return _checked(spec, grade)


def _crashed(spec: Mapping[str, Any], error: Exception) -> GraderError:
    return GraderError(GraderErrorKind.OTHER, f"{spec['type']} crashed: {error!r}")


def _checked(spec: Mapping[str, Any], grade: Grade) -> Grade:
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
    """The sample's grade by the suite's graders and the case's; GraderError when any failed."""
    if refusals.is_refusal(sample, policy):
        return by_policy(Ungradable.REFUSED, specs, case, policy, "the model refused to answer")
    every = of_case(specs, case)
    grades = [_settled(spec, case, sample, policy, grade_one(spec, case, sample)) for spec in every]
    return merging.merged(every, grades)


async def grade_sample_async(
    specs: Sequence[Mapping[str, Any]],
    case: GradedCase,
    sample: Sample,
    policy: Policy,
    services: Services,
) -> Grade:
    """As grade_sample, where a grader needs services; one grader after the other."""
    if refusals.is_refusal(sample, policy):
        return by_policy(Ungradable.REFUSED, specs, case, policy, "the model refused to answer")
    every = of_case(specs, case)
    grades = [
        _settled(spec, case, sample, policy, await grade_one_async(spec, case, sample, services))
        for spec in every
    ]
    return merging.merged(every, grades)


def by_policy(
    kind: Ungradable,
    specs: Sequence[Mapping[str, Any]],
    case: GradedCase,
    policy: Policy,
    explanation: str,
) -> Grade:
    """The grade of an answer without gradable content: every component gets the policy's score.

    `specs` are the suite's graders; the case's own are counted in.
    """
    return _by_policy(kind, of_case(specs, case), case, policy, explanation)


def _by_policy(
    kind: Ungradable,
    specs: Sequence[Mapping[str, Any]],
    case: GradedCase,
    policy: Policy,
    explanation: str,
) -> Grade:
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


def _settled(
    spec: Mapping[str, Any], case: GradedCase, sample: Sample, policy: Policy, grade: Grade
) -> Grade:
    """The grade, by the suite's policy when the output could not be read."""
    if grade.parsed or grade.score is not None:
        return grade
    if grade.state is ResultState.REFUSED or refusals.sounds_like_refusal(sample):
        return _by_policy(Ungradable.REFUSED, [spec], case, policy, "the model refused to answer")
    return _by_policy(Ungradable.UNPARSABLE, [spec], case, policy, grade.explanation)
