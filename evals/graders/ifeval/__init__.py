"""`ifeval`: verifiable instructions, each family or each rule a component, strict or loose.

With `mode: both` an answer is judged twice: `strict` and `loose` say whether every rule is followed
(the paper's prompt-level accuracies), the components below them which.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import replace
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
    state_of,
    unparsable,
)
from evals.graders.ifeval import rules, shape

SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "prefix": {"type": "string"},
        "mode": {"enum": ["strict", "loose", "both"]},
        "by": {"enum": ["family", "rule"]},
        "overall": {"enum": ["mean", "all"]},
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
    """One component a family or a rule; refuses missing, unknown or malformed arguments."""
    names = [rule_id for rule_id, _ in _checked(case)]
    found = {_label(spec, mode, rule_id) for mode in _modes(spec) for rule_id in names}
    if spec.get("mode") == "both":
        found |= {_label(spec, mode) for mode in _modes(spec)}
    return tuple(sorted(found, key=str.casefold))


def grade(spec: Mapping[str, Any], case: GradedCase, sample: Sample) -> Grade:
    """Per component the share of its rules that are followed; an empty answer follows none.

    The score is the components' mean, or with `overall: all` 1 only when every rule is followed;
    with both modes it is the strict one.
    """
    text = sample.output_text
    if len(text) > LONGEST:
        return unparsable(f"the answer is longer than {LONGEST:,} characters")
    found: dict[str, ComponentGrade] = {}
    grades = [_graded(spec, mode, case, text) for mode in _modes(spec)]
    for one in grades:
        found |= one.components
    return replace(grades[0], components={label: found[label] for label in labels(spec, case)})


def _graded(spec: Mapping[str, Any], mode: str, case: GradedCase, text: str) -> Grade:
    """The grade in one mode."""
    followed: dict[str, list[tuple[str, bool]]] = {}
    for rule_id, arguments in _checked(case):
        holds = follows(rule_id, arguments, text, loose=mode == "loose")
        followed.setdefault(_label(spec, mode, rule_id), []).append((rule_id, holds))
    mean = component_grade(spec, {label: _share(held) for label, held in followed.items()})
    every = [pair for held in followed.values() for pair in held]
    whole = replace(_share(every), score=float(all(holds for _, holds in every)))
    if spec.get("overall") == "all":
        mean = replace(mean, score=whole.score, state=state_of(spec, whole.score))
    if spec.get("mode") != "both":
        return mean
    return replace(mean, components={**mean.components, _label(spec, mode): whole})


def _modes(spec: Mapping[str, Any]) -> tuple[str, ...]:
    mode = spec.get("mode", "strict")
    return ("strict", "loose") if mode == "both" else (mode,)


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


def _label(spec: Mapping[str, Any], mode: str, rule_id: str = "") -> str:
    parts = [spec.get("prefix", "instructions")]
    if spec.get("mode") == "both":
        parts.append(mode)
    if rule_id:
        parts.append(rules.family(rule_id))
        parts += [rule_id.partition(":")[2]] if spec.get("by") == "rule" else []
    return ".".join(part for part in parts if part)


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
