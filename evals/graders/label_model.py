"""OpenAI's `label_model`: a model chooses a label; asked in both orders for a pair."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evals.graders import asking
from evals.graders.contract import (
    COMPONENTS,
    Grade,
    GradedCase,
    GraderSpecError,
    Sample,
    Services,
    single_grade,
    single_labels,
)

LABELS: Mapping[str, Any] = {
    "type": "array",
    "items": {"type": "string", "minLength": 1},
    "uniqueItems": True,
}
SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "required": ["model", "input", "labels"],
    "additionalProperties": False,
    "properties": {
        "components": COMPONENTS,
        **asking.ASKING,
        "labels": {**LABELS, "minItems": 2},
        "passing_labels": {**LABELS, "minItems": 1},
        "pair": {
            "type": "object",
            "required": ["candidate", "other", "first", "second"],
            "additionalProperties": False,
            "properties": {
                **asking.PAIR,
                "first": {"type": "string"},
                "second": {"type": "string"},
            },
        },
    },
}
TARGET_SCHEMA: Mapping[str, Any] = {}
WIN, TIE, LOSS = 1.0, 0.5, 0.0
models = asking.models


def labels(spec: Mapping[str, Any], case: GradedCase) -> tuple[str, ...]:
    """The case's components; refuses passing or winning labels that are no labels."""
    if ("passing_labels" in spec) == ("pair" in spec):
        message = "is needed unless a `pair` says which labels win; one of the two, not both"
        raise GraderSpecError("passing_labels", message)
    pair = spec.get("pair", {})
    winning = [pair[name] for name in ("first", "second") if name in pair]
    unknown = sorted({*spec.get("passing_labels", ()), *winning} - set(spec["labels"]))
    if unknown:
        field_name = "pair" if pair else "passing_labels"
        raise GraderSpecError(field_name, f"{', '.join(unknown)} is not among the labels")
    if pair and pair["first"] == pair["second"]:
        raise GraderSpecError("pair", "the same label can't mean that either answer wins")
    asking.check_pair(spec)
    return single_labels(spec, case)


async def grade_async(
    spec: Mapping[str, Any], case: GradedCase, sample: Sample, services: Services
) -> Grade:
    """1 for a passing label, else 0. Of a pair: 1, 0.5, 0 when the candidate wins, ties, loses;
    asked in both orders, different verdicts make a tie.
    """
    choices = {"type": "string", "enum": list(spec["labels"])}
    said = await asking.verdicts(spec, case, sample, services, choices)
    chosen = [_label(spec, verdict) for verdict in said]
    shown = " and, swapped, ".join(repr(label) for label in chosen)
    reasons = [verdict.explanation for verdict in said if verdict.explanation]
    if "pair" not in spec:
        score = float(chosen[0] in spec["passing_labels"])
        return single_grade(spec, case, score, ". ".join([f"labelled {shown}", *reasons]))
    score = _outcome(spec, chosen)
    named = {WIN: "the candidate wins", TIE: "a tie", LOSS: "the other wins"}[score]
    explanation = ". ".join([f"labelled {shown}: {named}", *reasons])
    return single_grade(spec, case, score, explanation)


def _outcome(spec: Mapping[str, Any], chosen: list[str]) -> float:
    first, second = spec["pair"]["first"], spec["pair"]["second"]
    outcomes = {{first: WIN, second: LOSS}.get(chosen[0], TIE)}
    if len(chosen) > 1:
        outcomes.add({first: LOSS, second: WIN}.get(chosen[1], TIE))
    return outcomes.pop() if len(outcomes) == 1 else TIE


def _label(spec: Mapping[str, Any], verdict: asking.Verdict) -> str:
    if not isinstance(verdict.result, str) or verdict.result not in spec["labels"]:
        raise asking.unreadable(spec, verdict, f"one of {', '.join(spec['labels'])}")
    return verdict.result
