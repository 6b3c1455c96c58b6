"""Graders as assertions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from evals.formats import carried

OUTPUT = "{{sample.output_text}}"
TARGET = "{{item.target}}"
CHECKS = {"eq": "equals", "ne": "not-equals", "like": "contains", "ilike": "icontains"}
SIMILARITY = {"rouge_1": "rouge-n", "bleu": "bleu", "gleu": "gleu", "meteor": "meteor"}
MARKS = re.compile(r"\{\{|\{%|\{#")


def assert_of(spec: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """The assertion of a grader, and what promptfoo will not see of it ("" when all).

    The grader itself rides in the assertion's `config`. One without a counterpart becomes an
    assertion that promptfoo counts as an error, never as passed or failed.
    """
    native = _native(spec)
    why = ""
    if native is None:
        kind = spec["type"]
        native = {"type": "equals", "value": f"file://graded-by-slipway-alone/{kind}.txt"}
        why = f"promptfoo has no grader like {kind}; an assertion that errors stands for it"
    if "weight" in spec:
        native["weight"] = spec["weight"]
    labels = spec.get("components", ())
    if len(labels) == 1:
        native["metric"] = _raw(labels[0])
    return {**native, "config": {carried.KEY: spec}}, why


def _raw(text: str) -> str:
    """The text as a template that gives just it."""
    return f"{{% raw %}}{text}{{% endraw %}}" if MARKS.search(text) else text


def _reference(spec: Mapping[str, Any]) -> str | None:
    """The value of an assertion; None when it depends on the sample."""
    text = str(spec.get("reference", TARGET))
    if "sample." in text:
        return None
    parts = re.split(r"(\{\{\s*item[.\[][^}]*\}\})", text)
    return "".join(part if index % 2 else _raw(part) for index, part in enumerate(parts))


def _native(spec: Mapping[str, Any]) -> dict[str, Any] | None:
    if spec.get("input", OUTPUT) != OUTPUT:
        return None
    kind = spec["type"]
    if kind == "string_check":
        value = _reference(spec)
        made = {"type": CHECKS[spec["operation"]], "value": value}
        return made if value is not None else None
    if kind == "regex" and not spec.get("ignore_case") and not spec.get("multiline"):
        pattern = spec["pattern"]
        if spec.get("match") == "fullmatch":
            pattern = f"^(?:{pattern})$"
        negated = "not-" if spec.get("negate") else ""
        return {"type": f"{negated}regex", "value": _raw(pattern)}
    if kind == "json_schema" and "schema" in spec:
        made = {"type": "is-json"}
        return made if spec["schema"] is True else {**made, "value": spec["schema"]}
    if kind == "text_similarity" and spec.get("evaluation_metric") in SIMILARITY:
        value = _reference(spec)
        metric = SIMILARITY[spec["evaluation_metric"]]
        made = {"type": metric, "value": value, "threshold": spec.get("pass_threshold", 1)}
        return made if value is not None else None
    if kind == "python":
        code = spec["source"].rstrip() + "\n\nspace = {'output_text': output}\n"
        code += "return grade(space, context['vars']['item'])\n"
        return {"type": "python", "value": _raw(code)}
    return None
