"""OpenAI's `string_check`: equal, unequal, or containing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evals.graders import templates
from evals.graders.contract import (
    COMPONENTS,
    Grade,
    GradedCase,
    Sample,
    single_grade,
    single_labels,
)

SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "required": ["operation"],
    "additionalProperties": False,
    "properties": {
        "components": COMPONENTS,
        "input": {"type": "string"},
        "reference": {"type": "string"},
        "operation": {"enum": ["eq", "ne", "like", "ilike"]},
    },
}
TARGET_SCHEMA: Mapping[str, Any] = {}
labels = single_labels
SHOWN = 80


def grade(spec: Mapping[str, Any], case: GradedCase, sample: Sample) -> Grade:
    """1 when the comparison holds; `like` and `ilike` ask whether input contains reference."""
    text = templates.render(spec.get("input", "{{sample.output_text}}"), case, sample)
    reference = templates.render(spec.get("reference", "{{item.target}}"), case, sample)
    operation = spec["operation"]
    holds = {
        "eq": text == reference,
        "ne": text != reference,
        "like": reference in text,
        "ilike": reference.casefold() in text.casefold(),
    }[operation]
    said = f"{_short(text)} {operation} {_short(reference)} is {'true' if holds else 'false'}"
    return single_grade(spec, case, float(holds), said)


def _short(text: str) -> str:
    return repr(text if len(text) <= SHOWN else text[: SHOWN - 1] + "…")
