"""`json_schema`: whether the output is JSON that a schema accepts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, best_match
from jsonschema_specifications import REGISTRY  # type: ignore[import-untyped]
from referencing.exceptions import Unresolvable

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
    unparsable,
)

SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {"components": COMPONENTS, "schema": {"type": ["object", "boolean"]}},
}
TARGET_SCHEMA: Mapping[str, Any] = {}
LONGEST = 1_000_000
SHOWN = 500
"""Characters of what is wrong; it may quote the whole answer."""


def labels(spec: Mapping[str, Any], case: GradedCase) -> tuple[str, ...]:
    """The case's components; refuses a missing or malformed schema."""
    _schema(spec, case)
    return single_labels(spec, case)


def grade(spec: Mapping[str, Any], case: GradedCase, sample: Sample) -> Grade:
    """1 when the output validates against the settings' schema, else the target's."""
    if len(sample.output_text) > LONGEST:
        return unparsable(f"the answer is longer than {LONGEST:,} characters")
    try:
        value = json.loads(sample.output_text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        return unparsable(f"the answer is not JSON ({error})")
    # Its own registry: without one a remote $ref would be fetched over the network.
    validator = Draft202012Validator(_schema(spec, case), registry=REGISTRY)
    try:
        problem = best_match(validator.iter_errors(value))
    except Unresolvable as missing:
        raise GraderError(GraderErrorKind.OTHER, f"the schema refers to {missing}") from missing
    if problem is None:
        return single_grade(spec, case, 1.0, "the answer fits the schema")
    path, said = problem.json_path[:SHOWN], problem.message
    if len(said) > SHOWN:
        said = f"{said[: SHOWN // 2]} … {said[-SHOWN // 2 :]}"
    return single_grade(spec, case, 0.0, f"{path}: {said}")


def _schema(spec: Mapping[str, Any], case: GradedCase) -> Any:
    field_name = "schema" if "schema" in spec else "target"
    schema = spec.get("schema", case.target)
    if not isinstance(schema, Mapping | bool):
        message = "put a JSON Schema in the grader's `schema` or in the case's `target`"
        raise GraderSpecError(field_name, message)
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise GraderSpecError(field_name, f"is not a JSON Schema: {error.message}") from error
    return schema


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
