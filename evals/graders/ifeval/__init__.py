"""`ifeval`: verifiable instructions, each family of rules a component, strict or loose."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from evals.graders.contract import (
    ComponentGrade,
    Grade,
    GradedCase,
    GraderSpecError,
    Sample,
    component_grade,
    unparsable,
)
from evals.graders.ifeval import rules, shape

SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "prefix": {"type": "string"},
        "mode": {"enum": ["strict", "loose"]},
    },
}
TARGET_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "required": ["instruction_id_list", "kwargs"],
    "additionalProperties": False,
    "properties": {
        "instruction_id_list": {
            "type": "array",
            "items": {"enum": sorted(rules.RULES)},
            "minItems": 1,
        },
        "kwargs": {"type": "array", "items": {"type": "object"}},
    },
}
LONGEST = 100_000
"""Characters of an answer; every rule of a case would have to read all of a longer one."""


def labels(spec: Mapping[str, Any], case: GradedCase) -> tuple[str, ...]:
    """One component a family; refuses missing, unknown or malformed arguments of a rule."""
    return tuple(sorted({_label(spec, rule_id) for rule_id, _ in _checked(case)}, key=str.casefold))


def grade(spec: Mapping[str, Any], case: GradedCase, sample: Sample) -> Grade:
    """Per component the share of its rules that are followed; an empty answer follows none."""
    text = sample.output_text
    if len(text) > LONGEST:
        return unparsable(f"the answer is longer than {LONGEST:,} characters")
    followed: dict[str, list[tuple[str, bool]]] = {label: [] for label in labels(spec, case)}
    for rule_id, arguments in _checked(case):
        holds = follows(rule_id, arguments, text, loose=spec.get("mode") == "loose")
        followed[_label(spec, rule_id)].append((rule_id, holds))
    return component_grade(spec, {label: _share(held) for label, held in followed.items()})


def follows(rule_id: str, arguments: Mapping[str, Any], text: str, *, loose: bool) -> bool:
    """Whether the text follows one rule."""
    check = functools.partial(rules.RULES[rule_id].follows, **arguments)
    if loose:
        return shape.loosely(text, check)
    return bool(text.strip()) and check(text)


def _share(held: list[tuple[str, bool]]) -> ComponentGrade:
    broken = [rule_id for rule_id, holds in held if not holds]
    said = f"does not follow {', '.join(broken)}" if broken else "follows every rule"
    return ComponentGrade(score=1 - len(broken) / len(held), explanation=said)


def _label(spec: Mapping[str, Any], rule_id: str) -> str:
    prefix = spec.get("prefix", "instructions")
    part = rules.family(rule_id)
    return f"{prefix}.{part}" if prefix else part


def _checked(case: GradedCase) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each rule with its arguments; an argument that is null is as good as left out."""
    names, arguments = case.target["instruction_id_list"], case.target["kwargs"]
    if len(names) != len(arguments):
        message = f"holds {len(arguments)} entries for {len(names)} rules: one each"
        raise GraderSpecError("target.kwargs", message)
    for index, (rule_id, given) in enumerate(zip(names, arguments, strict=True)):
        present = {name: value for name, value in given.items() if value is not None}
        expected = rules.RULES[rule_id].arguments
        error = best_match(_validator(rule_id).iter_errors(present))
        if error is not None:
            where = ".".join([f"target.kwargs[{index}]", *map(str, error.path)])
            taken = ", ".join(expected) or "no argument"
            raise GraderSpecError(where, f"{error.message} ({rule_id} takes {taken})")
        yield rule_id, present


@functools.cache
def _validator(rule_id: str) -> Draft202012Validator:
    arguments = rules.RULES[rule_id].arguments
    return Draft202012Validator(
        {
            "type": "object",
            "properties": {name: dict(schema) for name, schema in arguments.items()},
            "required": list(arguments),
            "additionalProperties": False,
        }
    )
