"""`numeric`: a number in the output against the target, within a tolerance."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from evals.graders import templates
from evals.graders.contract import (
    COMPONENTS,
    Grade,
    GradedCase,
    GraderSpecError,
    Sample,
    single_grade,
    single_labels,
    unparsable,
)

SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "components": COMPONENTS,
        "input": {"type": "string"},
        "take": {"enum": ["last", "first", "only"]},
        "absolute": {"type": "number", "minimum": 0},
        "relative": {"type": "number", "minimum": 0},
    },
}
TARGET_SCHEMA: Mapping[str, Any] = {"type": ["number", "string"]}
NUMBER = re.compile(
    r"(?<![\w.])[-+−]?(?:(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?%?"
)
LONGEST = 200_000
"""Characters of output that are searched; the rest of a longer one is not read."""


def labels(spec: Mapping[str, Any], case: GradedCase) -> tuple[str, ...]:
    """The case's components; refuses a target that is no number."""
    if not math.isfinite(_target(case)):
        raise GraderSpecError("target", f"{case.target!r} is not a finite number")
    return single_labels(spec, case)


def grade(spec: Mapping[str, Any], case: GradedCase, sample: Sample) -> Grade:
    """1 when the number lies within the tolerance (default: equal to nine digits)."""
    text = templates.render(spec.get("input", "{{sample.output_text}}"), case, sample)
    found = numbers(text[:LONGEST])
    take = spec.get("take", "last")
    if not found or (take == "only" and len(found) != 1):
        wanted = "exactly one number" if take == "only" else "a number"
        return unparsable(f"the answer holds {len(found)} numbers, not {wanted}")
    given, expected = found[-1 if take == "last" else 0], _target(case)
    close = math.isclose(
        given,
        expected,
        rel_tol=spec.get("relative", 1e-9),
        abs_tol=spec.get("absolute", 0.0),
    )
    said = f"{given:.10g} {'is' if close else 'is not'} {expected:.10g} within the tolerance"
    return single_grade(spec, case, float(close), said)


def numbers(text: str) -> list[float]:
    """The finite numbers in a text; thousands may be parted by commas, a per cent sign divides."""
    found = []
    for match in NUMBER.finditer(text):
        written = match[0].replace("−", "-").replace(",", "")
        value = float(written.rstrip("%")) / (100 if written.endswith("%") else 1)
        if math.isfinite(value):
            found.append(value)
    return found


def _target(case: GradedCase) -> float:
    try:
        return float(case.target)
    except ValueError as error:
        raise GraderSpecError("target", f"{case.target!r} is not a number") from error
