"""`regex`: whether a pattern is found in, or covers, the output."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import regex  # type: ignore[import-untyped]

from evals.graders import templates
from evals.graders.contract import (
    COMPONENTS,
    Grade,
    GradedCase,
    GraderError,
    GraderErrorKind,
    GraderSpecError,
    Sample,
    single_grade,
    single_labels,
)

SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "required": ["pattern"],
    "additionalProperties": False,
    "properties": {
        "components": COMPONENTS,
        "pattern": {"type": "string", "minLength": 1},
        "input": {"type": "string"},
        "match": {"enum": ["search", "fullmatch"]},
        "ignore_case": {"type": "boolean"},
        "multiline": {"type": "boolean"},
        "negate": {"type": "boolean"},
    },
}
TARGET_SCHEMA: Mapping[str, Any] = {}
TIMEOUT_SECONDS = 2.0
"""A pattern that backtracks for ever is the grader's fault and becomes an error."""


def labels(spec: Mapping[str, Any], case: GradedCase) -> tuple[str, ...]:
    """The case's components; refuses a pattern that does not compile."""
    _compiled(spec)
    return single_labels(spec, case)


def grade(spec: Mapping[str, Any], case: GradedCase, sample: Sample) -> Grade:
    """1 when the pattern matches, or, with `negate`, when it does not."""
    text = templates.render(spec.get("input", "{{sample.output_text}}"), case, sample)
    pattern = _compiled(spec)
    match = pattern.fullmatch if spec.get("match") == "fullmatch" else pattern.search
    try:
        found = match(text, timeout=TIMEOUT_SECONDS) is not None
    except TimeoutError as error:
        raise GraderError(
            GraderErrorKind.UNRESPONSIVE_REWARD,
            f"pattern {spec['pattern']!r} took over {TIMEOUT_SECONDS:g} s on this output",
        ) from error
    said = f"pattern {spec['pattern']!r} {'matches' if found else 'does not match'}"
    return single_grade(spec, case, float(found != spec.get("negate", False)), said)


def _compiled(spec: Mapping[str, Any]) -> regex.Pattern[str]:
    flags = regex.IGNORECASE if spec.get("ignore_case") else 0
    flags |= regex.MULTILINE if spec.get("multiline") else 0
    try:
        return regex.compile(spec["pattern"], flags)
    except regex.error as error:
        raise GraderSpecError("pattern", f"is not a regular expression: {error}") from error
