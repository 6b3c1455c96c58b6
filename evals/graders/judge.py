"""A judge by name: a model grader that people calibrated. Resolved before a run begins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evals.graders.contract import (
    COMPONENTS,
    Grade,
    GradedCase,
    GraderError,
    GraderErrorKind,
    Sample,
    single_labels,
)

TYPE = "judge"
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


def grade(spec: Mapping[str, Any], case: GradedCase, sample: Sample) -> Grade:
    """Always refused: a judge is a model, and is asked by the runner alone."""
    message = f"{spec['judge']} is a model: it answers in a run, not here"
    raise GraderError(GraderErrorKind.MODEL_SERVER, message)
