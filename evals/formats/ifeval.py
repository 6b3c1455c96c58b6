"""IFEval's own file: one JSON object a line with key, prompt, instruction_id_list and kwargs."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from evals import graders
from evals.formats.contract import CaseSpec, FormatError, SuiteSpec, canonical_json, policy_as_json
from evals.formats.documents import Placed, json_values
from evals.graders.contract import GraderSpecError, Policy
from evals.graders.ifeval import rules

FILE = "input_data.jsonl"
KEYS = frozenset({"key", "prompt", "instruction_id_list", "kwargs"})
GRADER: Mapping[str, Any] = {
    "type": "ifeval",
    "mode": "both",
    "by": "rule",
    "overall": "all",
    "prefix": "",
}
REQUEST: Mapping[str, Any] = {"max_tokens": 1280}
"""As the paper's own runs; `suite import --max-tokens` sets another."""
JUDGED = {
    "strict": "every rule of the prompt is followed (prompt-level strict accuracy)",
    "loose": "as strict, after forgiving first and last lines and asterisks",
}


def read(path: Path) -> SuiteSpec:
    """The file, or the one of its usual name in the folder; FormatError names line and field."""
    file = path / FILE if path.is_dir() else path
    cases, told, lines = [], [], {}
    for row in json_values(file):
        case = _case(row)
        if case.case_id in lines:
            message = f"{case.case_id} was used on line {lines[case.case_id]} already"
            raise row.at("key").wrong(message)
        lines[case.case_id] = row.line
        unknown = sorted(row.mapping().keys() - KEYS)
        if unknown:
            told.append(row.told(f"{', '.join(unknown)} is not IFEval's, and left out"))
        cases.append(case)
    if not cases:
        raise FormatError(file.name, "holds no prompt; write one JSON object a line")
    return SuiteSpec(
        name="ifeval",
        cases=cases,
        graders=[dict(GRADER)],
        components=_components(cases),
        description="Instructions that a program can verify (Zhou et al. 2023).",
        request=dict(REQUEST),
        not_expressible=told,
    )


def _case(row: Placed) -> CaseSpec:
    whole = row.mapping()
    missing = sorted(KEYS - whole.keys())
    if missing:
        raise row.wrong(f"lacks {', '.join(missing)}")
    key = whole["key"]
    if isinstance(key, bool) or not isinstance(key, int | str):
        raise row.at("key").wrong(f"{key!r} is neither a number nor a text")
    case = CaseSpec(
        case_id=str(key),
        input=[{"role": "user", "content": row.at("prompt").text()}],
        target={"instruction_id_list": whole["instruction_id_list"], "kwargs": _kwargs(row)},
    )
    try:
        graders.check_case(GRADER, case.graded())
    except GraderSpecError as error:
        raise row.at(*error.field_name.split(".")[1:]).wrong(error.problem) from error
    return case


def _kwargs(row: Placed) -> list[Mapping[str, Any]]:
    """Each rule's arguments without nulls, which other tools write for what a rule lacks."""
    return [
        {name: value for name, value in given.mapping().items() if value is not None}
        for given in row.at("kwargs").items()
    ]


def _components(cases: list[CaseSpec]) -> dict[str, str]:
    used = {label for case in cases for label in graders.check_case(GRADER, case.graded())}
    named = {f"{rules.family(rule)}.{rule.partition(':')[2]}": rule for rule in rules.RULES}
    return {label: _meaning(label, named) for label in sorted(used)}


def _meaning(label: str, named: Mapping[str, str]) -> str:
    mode, _, rest = label.partition(".")
    return f"{named[rest]}, {mode}" if rest else JUDGED[mode]


def write(suite: SuiteSpec, path: Path) -> None:
    """One line a case, the same bytes for the same suite; FormatError for what it can't carry."""
    problems = list(_beyond(suite))
    if problems:
        raise FormatError(FILE, f"IFEval's file can't carry {'; '.join(problems)}")
    file = path / FILE if path.is_dir() else path
    rows = "".join(json.dumps(_row(case), ensure_ascii=False) + "\n" for case in suite.cases)
    file.write_text(rows, encoding="utf-8", newline="\n")


def _row(case: CaseSpec) -> dict[str, Any]:
    is_number = case.case_id.isdecimal() and str(int(case.case_id)) == case.case_id
    return {
        "key": int(case.case_id) if is_number else case.case_id,
        "prompt": case.input[0]["content"],
        **case.target,
    }


def _beyond(suite: SuiteSpec) -> Iterator[str]:
    """What decides a score and has no place in the file."""
    plain = SuiteSpec(name="", cases=(), graders=[GRADER], components={}, request=REQUEST)
    for field in ("graders", "request"):
        if canonical_json(getattr(suite, field)) != canonical_json(getattr(plain, field)):
            yield f"its {field} {canonical_json(getattr(suite, field))}"
    if policy_as_json(suite.policy) != policy_as_json(Policy()):
        yield "its policy"
    for case in suite.cases:
        bare = CaseSpec(case_id=case.case_id, input=case.input, target=case.target)
        one = len(case.input) == 1 and isinstance(case.input[0].get("content"), str)
        if not one or dataclasses.replace(case, source=bare.source) != bare:
            yield f"case {case.case_id}, which is more than a prompt with its rules"
