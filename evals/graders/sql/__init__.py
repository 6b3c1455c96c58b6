"""`sql`: which parts of a query are right, and whether it returns the target's rows."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from evals import components
from evals.graders.contract import (
    ComponentGrade,
    Grade,
    GradedCase,
    GraderError,
    GraderErrorKind,
    GraderSpecError,
    Sample,
    component_grade,
    unparsable,
)
from evals.graders.sql import execution, parts

EXECUTION = "execution"
SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "prefix": {"type": "string"},
        "parts": {
            "type": "array",
            "items": {"enum": [*parts.NAMES, EXECUTION]},
            "minItems": 1,
            "uniqueItems": True,
        },
        "answer": {"enum": ["text", "json"]},
        "field": {"type": "string", "minLength": 1},
        "scoring": {"enum": ["exact", "overlap"]},
        "databases": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}
TARGET_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "required": ["sql"],
    "additionalProperties": False,
    "properties": {
        "sql": {"type": "string", "minLength": 1},
        "database": {"type": "string"},
        "setup": {"type": "string"},
    },
}
LONGEST = 10_000
"""Characters of an answer; parsing a longer one would cost more than it tells."""
FENCE = re.compile(r"```(?:\w+)?\s*\n?(.*?)```", re.DOTALL)
START = re.compile(r"\b(?:select|with)\b", re.IGNORECASE)


def labels(spec: Mapping[str, Any], case: GradedCase) -> tuple[str, ...]:
    """One component a part that the target has; refuses a target that does not parse or run."""
    setup = _setup(spec, case)
    try:
        columns = execution.columns(setup)
    except execution.QueryError as error:
        raise GraderSpecError("target.setup", str(error)) from error
    try:
        present = parts.of(case.target["sql"], columns).present()
        execution.rows(setup, case.target["sql"])
    except (parts.NotAQuery, execution.QueryError) as error:
        raise GraderSpecError("target.sql", str(error)) from error
    wanted = spec.get("parts", [*parts.NAMES, EXECUTION])
    return tuple(_label(spec, name) for name in wanted if name == EXECUTION or name in present)


def grade(spec: Mapping[str, Any], case: GradedCase, sample: Sample) -> Grade:
    """The mean over the parts; a part is compared with the target's as a set."""
    try:
        columns = execution.columns(_setup(spec, case))
        expected = parts.of(case.target["sql"], columns)
    except (parts.NotAQuery, execution.QueryError) as error:
        raise GraderError(GraderErrorKind.OTHER, f"the case's target: {error}") from error
    # Over one table the right column counts as right although the wrong table was named.
    bare = len(expected.table) == 1
    expected = parts.of(case.target["sql"], columns, bare=bare)
    try:
        sql = answer_of(spec, sample.output_text)
        given = parts.of(sql, columns, bare=bare)
    except parts.NotAQuery as error:
        return unparsable(str(error))
    shares = {}
    for label in labels(spec, case):
        name = components.parse(label)[-1]
        if name == EXECUTION:
            shares[label] = _executed(spec, case, sql)
        else:
            shares[label] = _compared(spec, given.named(name), expected.named(name))
    return component_grade(spec, shares)


def answer_of(spec: Mapping[str, Any], text: str) -> str:
    """The query inside an answer: a field of a JSON object, a fenced block, or from SELECT on."""
    if len(text) > LONGEST:
        raise parts.NotAQuery(f"the answer is longer than {LONGEST:,} characters")
    if spec.get("answer") == "json":
        return _field(text, spec.get("field", "sql"))
    fenced = FENCE.search(text)
    body = fenced[1] if fenced else text
    start = START.search(body)
    if start is None:
        raise parts.NotAQuery("the answer holds no SELECT statement")
    return body[start.start() :]


def _field(text: str, name: str) -> str:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise parts.NotAQuery(f"the answer is not JSON ({error})") from error
    if not isinstance(value, dict) or not isinstance(value.get(name), str):
        raise parts.NotAQuery(f"the answer has no text under {name!r}")
    return str(value[name])


def _setup(spec: Mapping[str, Any], case: GradedCase) -> str:
    if "setup" in case.target:
        return str(case.target["setup"])
    name = case.target.get("database")
    databases = spec.get("databases", {})
    if name not in databases:
        known = ", ".join(sorted(databases)) or "none"
        message = f"{name!r} is not one of the grader's databases ({known})"
        raise GraderSpecError("target.database", message)
    return str(databases[name])


def _label(spec: Mapping[str, Any], name: str) -> str:
    prefix = spec.get("prefix", "sql")
    return f"{prefix}.{name}" if prefix else name


def _compared(
    spec: Mapping[str, Any], given: frozenset[str], expected: frozenset[str]
) -> ComponentGrade:
    """Exact: 1 for equal sets. Overlap: the F1 of given against expected."""
    shared = len(given & expected)
    score = 2 * shared / (len(given) + len(expected))
    if spec.get("scoring", "exact") == "exact":
        score = float(score == 1)
    said = "as expected" if given == expected else f"{_shown(given)}, not {_shown(expected)}"
    return ComponentGrade(score=score, explanation=said)


def _shown(names: frozenset[str]) -> str:
    return "{" + ", ".join(sorted(names)) + "}"


def _executed(spec: Mapping[str, Any], case: GradedCase, sql: str) -> ComponentGrade:
    setup, target = _setup(spec, case), case.target["sql"]
    try:
        given = execution.rows(setup, sql)
    except execution.QueryError as error:
        return ComponentGrade(score=0.0, explanation=f"does not run: {error}")
    expected = execution.rows(setup, target)
    if execution.same(given, expected, ordered=parts.is_ordered(target)):
        return ComponentGrade(score=1.0, explanation="returns the target's rows")
    said = f"returns {len(given)} rows, and not the target's {len(expected)}"
    return ComponentGrade(score=0.0, explanation=said)
