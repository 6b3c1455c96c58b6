"""`external`: scores that another tool gave; read from its log, never given here."""

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

KIND = "external"
SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "required": ["tool"],
    "additionalProperties": False,
    "properties": {
        "components": COMPONENTS,
        "tool": {"type": "string", "minLength": 1},
        "scorers": {"type": "array", "items": {"type": "string"}},
    },
}
TARGET_SCHEMA: Mapping[str, Any] = {}


def labels(spec: Mapping[str, Any], case: GradedCase) -> tuple[str, ...]:
    """The components that the tool scored on the case."""
    return single_labels(spec, case)


def grade(spec: Mapping[str, Any], case: GradedCase, sample: Sample) -> Grade:
    """Always errored: Slipway cannot stand in for the other tool's scorer."""
    raise GraderError(GraderErrorKind.OTHER, told(spec))


def told(spec: Mapping[str, Any]) -> str:
    """Why such a suite is not run here, and what to do."""
    by = ", ".join(spec.get("scorers", ())) or "its scorers"
    return (
        f"answers are scored by {spec['tool']} ({by}), which Slipway does not run: run it there "
        "and import the log with `manage.py run import`, or give the suite graders of its own"
    )
