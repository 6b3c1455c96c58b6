"""Rules of the grader of a reinforcement job, by OpenAI's grader types."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from evals.graders import templates
from evals.graders.asking import MESSAGES, SAMPLING
from evals.graders.multi import formula
from evals.graders.text_similarity.measures import MEASURES
from evals.training.contract import Problems, problem, shown

MOST_SOURCE_BYTES = 256_000
METRICS = (*MEASURES, "meteor")
_TEXT = {"type": "string"}
_NAME = {"type": "string", "minLength": 1}
_SCHEMAS: Mapping[str, Mapping[str, Any]] = {
    "string_check": {
        "required": ["name", "input", "reference", "operation"],
        "properties": {
            "input": _TEXT,
            "reference": _TEXT,
            "operation": {"enum": ["eq", "ne", "like", "ilike"]},
        },
    },
    "text_similarity": {
        "required": ["name", "input", "reference", "evaluation_metric"],
        "properties": {
            "input": _TEXT,
            "reference": _TEXT,
            "evaluation_metric": {"enum": [*METRICS, "cosine"]},
            "pass_threshold": {"type": "number"},
        },
    },
    "python": {
        "required": ["name", "source"],
        "properties": {"source": _NAME, "image_tag": _TEXT, "pass_threshold": {"type": "number"}},
    },
    "score_model": {
        "required": ["name", "model", "input"],
        "properties": {
            "model": _NAME,
            "input": MESSAGES,
            "range": {
                "type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2,
            },
            "sampling_params": SAMPLING,
            "pass_threshold": {"type": "number"},
        },
    },
    "multi": {
        "required": ["name", "graders", "calculate_output"],
        "properties": {
            "graders": {"type": ["object", "array"], "minProperties": 1, "minItems": 1},
            "calculate_output": _NAME,
        },
    },
}  # fmt: skip
_BRACES = re.compile(r"\{\{.*?\}\}")


def check(grader: Any, where: str = "grader") -> Problems:
    """Every rule that the grader breaks."""
    if not isinstance(grader, Mapping):
        yield problem("grader_json", f"{where} is {shown(grader)}: write an object")
        return
    kind = grader.get("type")
    if not isinstance(kind, str) or kind not in _SCHEMAS:
        known = ", ".join(_SCHEMAS)
        yield problem("grader_type", f"{where}.type is {shown(kind)}: write one of {known}")
        return
    found = _schema_problem(grader, kind)
    if found:
        yield problem("grader_field", f"{where}{found}")
        return
    yield from _check_templates(grader, where)
    yield from {
        "python": _check_python,
        "score_model": _check_range,
        "text_similarity": _check_metric,
        "multi": _check_multi,
    }.get(kind, _nothing_more)(grader, where)


def item_paths(grader: Mapping[str, Any]) -> tuple[str, ...]:
    """What a grader that obeys the rules reads of `item`, such as `.reference_text`."""
    found = {match[2] for text in _texts(grader) for match in templates.VARIABLE.finditer(text)
             if match[1] == "item"}  # fmt: skip
    return tuple(sorted(found))


def as_sent(grader: Mapping[str, Any]) -> dict[str, Any]:
    """The grader as the API takes it: those of a multi as a map, never a list."""
    if grader.get("type") != "multi":
        return dict(grader)
    return {**grader, "graders": _named(grader["graders"])}


def _schema_problem(grader: Mapping[str, Any], kind: str) -> str:
    schema = _SCHEMAS[kind]
    properties = {"type": _TEXT, "name": _NAME, **schema["properties"]}
    whole = {**schema, "type": "object", "properties": properties, "additionalProperties": False}
    error = best_match(Draft202012Validator(whole).iter_errors(grader))
    if error is None:
        return ""
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.path)
    return f"{path}: {error.message}"


def _texts(grader: Mapping[str, Any]) -> Iterator[str]:
    """Every text of the grader that is a template."""
    for value in (grader.get("input"), grader.get("reference")):
        yield from _strings(value)
    if grader.get("type") == "multi":
        for inner in _named(grader["graders"]).values():
            yield from _texts(inner)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name in ("content", "text"):
            yield from _strings(value.get(name))
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


def _check_templates(grader: Mapping[str, Any], where: str) -> Problems:
    if grader["type"] == "multi":
        return
    for text in _texts(grader):
        for braces in _BRACES.findall(text):
            if not templates.VARIABLE.fullmatch(braces):
                said = f"{where} has {shown(braces)}: write {{{{item.…}}}} or {{{{sample.…}}}}"
                yield problem("grader_template", said)


def _check_python(grader: Mapping[str, Any], where: str) -> Problems:
    size = len(grader["source"].encode())
    if size >= MOST_SOURCE_BYTES:
        yield problem("grader_source", f"{where}.source has {size:,} bytes")
        return
    try:
        tree = ast.parse(grader["source"])
    except (SyntaxError, ValueError, RecursionError) as error:
        yield problem("grader_source", f"{where}.source does not parse: {error}")
        return
    defined = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    names = [[arg.arg for arg in node.args.args] for node in defined if node.name == "grade"]
    if not names or len(names[-1]) != 2:
        yield problem("grader_source", f"{where}.source defines no grade(sample, item)")


def _check_range(grader: Mapping[str, Any], where: str) -> Problems:
    low, high = grader.get("range", (0, 1))
    if not low < high:
        yield problem("grader_range", f"{where}.range is [{low:g}, {high:g}]")
    elif not low <= grader.get("pass_threshold", high) <= high:
        yield problem("grader_range", f"{where}.pass_threshold lies outside {low:g} to {high:g}")


def _check_metric(grader: Mapping[str, Any], where: str) -> Problems:
    if grader["evaluation_metric"] == "cosine":
        offered = ", ".join(METRICS)
        yield problem("grader_metric", f"{where}.evaluation_metric is cosine: take {offered}")


def _check_multi(grader: Mapping[str, Any], where: str) -> Problems:
    try:
        named = _named(grader["graders"])
    except ValueError as error:
        yield problem("grader_field", f"{where}.graders: {error}")
        return
    for key, inner in named.items():
        place = f"{where}.graders.{key}"
        if isinstance(inner, Mapping) and inner.get("type") in ("multi", "label_model"):
            yield problem("grader_nested", f"{place} is a {inner['type']}")
        else:
            yield from check(inner, place)
    try:
        unknown = sorted(formula.parse(grader["calculate_output"]).names - named.keys())
    except formula.FormulaError as error:
        yield problem("grader_formula", f"{where}.calculate_output {error}")
        return
    if unknown:
        said = f"{where}.calculate_output names {', '.join(unknown)}; there are {', '.join(named)}"
        yield problem("grader_formula", said)


def _named(given: Any) -> dict[str, Any]:
    """A map of graders as it is; a list, or one alone, by the names in them."""
    if isinstance(given, Mapping) and not isinstance(given.get("type"), str):
        return dict(given)
    listed = given if isinstance(given, list) else [given]
    named = {}
    for at, inner in enumerate(listed):
        name = inner.get("name") if isinstance(inner, Mapping) else None
        if not isinstance(name, str) or not name or name in named:
            raise ValueError(f"number {at} has no name of its own, by which the formula calls it")
        named[name] = inner
    return named


def _nothing_more(grader: Mapping[str, Any], where: str) -> Problems:
    return iter(())
