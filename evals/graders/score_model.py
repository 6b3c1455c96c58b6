"""OpenAI's `score_model`: a model gives a number in a range; asked in both orders for a pair."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evals.graders import asking
from evals.graders.contract import (
    COMPONENTS,
    ComponentGrade,
    Grade,
    GradedCase,
    GraderSpecError,
    Sample,
    Services,
    single_labels,
)
from evals.states import ResultState

SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "required": ["model", "input"],
    "additionalProperties": False,
    "properties": {
        "components": COMPONENTS,
        **asking.ASKING,
        "range": {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
        # In the range's own units, as OpenAI has it.
        "pass_threshold": {"type": "number"},
        "pair": {
            "type": "object",
            "required": ["candidate", "other"],
            "additionalProperties": False,
            "properties": asking.PAIR,
        },
    },
}
TARGET_SCHEMA: Mapping[str, Any] = {}
models = asking.models


def labels(spec: Mapping[str, Any], case: GradedCase) -> tuple[str, ...]:
    """The case's components; refuses an empty range, and a pair without its places."""
    low, high = _range(spec)
    if not low < high:
        raise GraderSpecError("range", f"[{low:g}, {high:g}] is empty: write [low, high]")
    if not low <= spec.get("pass_threshold", high) <= high:
        raise GraderSpecError("pass_threshold", f"lies outside the range {low:g} to {high:g}")
    asking.check_pair(spec)
    return single_labels(spec, case)


async def grade_async(
    spec: Mapping[str, Any], case: GradedCase, sample: Sample, services: Services
) -> Grade:
    """The model's number, clipped to the range and mapped to 0..1.

    Of a pair the number tells how much better the first answer is, the range's middle being a tie;
    asked in both orders, verdicts on different sides make a tie.
    """
    said = await asking.verdicts(spec, case, sample, services, {"type": "number"})
    low, high = _range(spec)
    given = [_number(spec, verdict) for verdict in said]
    clipped = [min(max(number, low), high) for number in given]
    value = clipped[0] if len(clipped) == 1 else _agreed(clipped[0], clipped[1], low, high)
    shown = " and, swapped, ".join(f"{number:g}" for number in given)
    tie = ": a tie" if len(clipped) > 1 and value == (low + high) / 2 else ""
    reasons = [verdict.explanation for verdict in said if verdict.explanation]
    explanation = ". ".join([f"{shown} in {low:g} to {high:g}{tie}", *reasons])
    score = (value - low) / (high - low)
    passes = value >= spec.get("pass_threshold", high)
    share = ComponentGrade(score=score, explanation=explanation)
    return Grade(
        state=ResultState.PASSED if passes else ResultState.FAILED,
        score=score,
        components=dict.fromkeys(single_labels(spec, case), share),
        explanation=explanation,
    )


def _agreed(first: float, second: float, low: float, high: float) -> float:
    """The mean of both orders, seen from the candidate; the middle when they disagree."""
    middle, mirrored = (low + high) / 2, low + high - second
    agree = (first - middle) * (mirrored - middle) > 0
    return (first + mirrored) / 2 if agree else middle


def _number(spec: Mapping[str, Any], verdict: asking.Verdict) -> float:
    result = verdict.result
    if isinstance(result, bool) or not isinstance(result, int | float):
        raise asking.unreadable(spec, verdict, "a number")
    return float(result)


def _range(spec: Mapping[str, Any]) -> tuple[float, float]:
    low, high = spec.get("range", (0.0, 1.0))
    return float(low), float(high)
