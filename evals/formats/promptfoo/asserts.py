"""Assertions as graders."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from evals import components, graders
from evals.formats.documents import Placed
from evals.formats.promptfoo import templates
from evals.formats.promptfoo.makers import MAKERS, NotExpressibleError, Scene
from evals.graders.contract import GradedCase, GraderSpecError

NOT = "not-"


def spec_of(place: Placed, scene: Scene) -> dict[str, Any]:
    """The grader of one assertion; NotExpressibleError with the reason when there is none."""
    assertion = place.mapping()
    kind = place.at("type").text()
    for key in ("transform", "contextTransform", "rubricPrompt"):
        if assertion.get(key) is not None:
            raise NotExpressibleError(f"{key} is not applied here")
    if assertion.get("weight") == 0:
        raise NotExpressibleError("weight 0, which only reports: a grader here always counts")
    negated, base = kind.startswith(NOT), kind.removeprefix(NOT)
    make = MAKERS.get(base)
    if make is None:
        raise NotExpressibleError(_why_not(base))
    spec = make(place, base, scene)
    if negated:
        spec = _negated(spec)
    if "weight" in assertion:
        spec["weight"] = assertion["weight"]
    spec["components"] = [label_of(place, scene.variables)]
    try:
        graders.check_spec(spec)
        graders.check_case(spec, GradedCase(case_id=""))
    except GraderSpecError as error:
        raise NotExpressibleError(f"{error.field_name}: {error.problem}") from error
    return spec


def label_of(place: Placed, variables: Mapping[str, Any]) -> str:
    """The component that an assertion scores: its metric, else its type."""
    metric = place.value.get("metric")
    if metric is None:
        return str(place.value["type"])
    label = templates.render(str(metric), variables, place.at("metric"))
    try:
        components.parse(label)
    except components.ComponentError:
        return components.join([label])
    return label or str(place.value["type"])


def _why_not(base: str) -> str:
    if base in ("javascript", "ruby", "webhook"):
        return f"{base} is not run here: write it as a python grader"
    if base in ("cost", "latency", "perplexity", "perplexity-score"):
        return "measured on the run here, not graded case by case"
    return f"there is no grader like {base!r} here"


OTHER_KINDS = frozenset(
    "javascript ruby webhook cost latency perplexity perplexity-score is-html contains-html is-xml "
    "contains-xml is-sql contains-sql is-refusal classifier moderation guardrails pi "
    "answer-relevance context-faithfulness context-recall context-relevance tool-call-f1 "
    "is-valid-function-call is-valid-openai-tools-call search-rubric agent-rubric".split()
)
KINDS = frozenset(MAKERS) | OTHER_KINDS


def _negated(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The grader that passes when this one does not."""
    if spec["type"] == "string_check" and spec["operation"] == "eq":
        return {**spec, "operation": "ne"}
    if spec["type"] == "string_check":
        pattern = re.escape(spec["reference"])
        ignore = {"ignore_case": True} if spec["operation"] == "ilike" else {}
        return {"type": "regex", "pattern": pattern, "negate": True, **ignore}
    if spec["type"] == "regex":
        return {**spec, "negate": True}
    if spec["type"] == "label_model":
        rest = [one for one in spec["labels"] if one not in spec["passing_labels"]]
        return {**spec, "passing_labels": rest}
    if spec["type"] == "python":
        source = spec["source"].replace("def grade(", "def _holds(", 1)
        if source.count("def grade(") == 0:
            tail = "\n\ndef grade(sample, item):\n    return 1.0 - _holds(sample, item)\n"
            return {**spec, "source": source.rstrip() + tail}
    raise NotExpressibleError(f"{spec['type']} can't be turned into its opposite")


def merged(specs: Sequence[Mapping[str, Any]], threshold: float, name: str) -> dict[str, Any]:
    """One grader over several that passes from a threshold of their weighted mean.

    NotExpressibleError when there is no such grader; the components are all of theirs.
    """
    keys = [f"assert_{index}" for index in range(1, len(specs) + 1)]
    weights = [float(spec.get("weight", 1)) for spec in specs]
    terms = " + ".join(f"{w:g} * {key}" for w, key in zip(weights, keys, strict=True))
    inner = {
        key: {"name": key, **{k: v for k, v in spec.items() if k not in ("weight", "components")}}
        for key, spec in zip(keys, specs, strict=True)
    }
    spec: dict[str, Any] = {
        "type": "multi",
        "name": name,
        "graders": inner,
        "calculate_output": f"({terms}) / {sum(weights):g}",
        "pass_threshold": threshold,
        "components": list(dict.fromkeys(one for spec in specs for one in spec["components"])),
    }
    try:
        graders.check_spec(spec)
        graders.check_case(spec, GradedCase(case_id=""))
    except GraderSpecError as error:
        raise NotExpressibleError(f"{error.field_name}: {error.problem}") from error
    return spec
