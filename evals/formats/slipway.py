"""Slipway's own format: a folder with `suite.yaml` and `cases.jsonl`."""

from __future__ import annotations

import dataclasses
import datetime
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from evals import components, graders
from evals.formats import yaml_text
from evals.formats.contract import (
    DEFAULT_SHELF_DAYS,
    CaseSpec,
    FormatError,
    SuiteSpec,
    canonical_json,
    policy_as_json,
)
from evals.formats.slipway_schema import CASE, SUITE
from evals.graders.contract import GraderSpecError, Policy
from evals.states import CaseSource

SUITE_FILE = "suite.yaml"
CASES_FILE = "cases.jsonl"
SUITE_VALIDATOR = Draft202012Validator(SUITE)
CASE_VALIDATOR = Draft202012Validator(CASE)
# PostgreSQL's jsonb holds no NUL, and UTF-8 no half of a surrogate pair.
UNSTORABLE = re.compile(r"(?<!\\)(?:\\\\)*\\u0000|[\ud800-\udfff]")


class Lines(Protocol):
    """Where each field of a document stands."""

    def of(self, path: Sequence[str | int]) -> int | None:
        """The 1-based line; None when it is not known."""


def read(path: Path) -> SuiteSpec:
    """The suite in the folder; FormatError names file, line and field."""
    suite_path = path / SUITE_FILE
    text = _text(suite_path)
    document = _yaml(text, suite_path)
    suite = head_of(document, yaml_text.Lines(text))
    cases, scored = _cases(path / CASES_FILE, suite)
    _check_all_scored(suite, scored)
    return dataclasses.replace(suite, cases=cases)


def write(suite: SuiteSpec, path: Path) -> None:
    """Write the folder's two files, the same bytes for the same suite."""
    path.mkdir(parents=True, exist_ok=True)
    head = yaml_text.dump(suite_as_json(suite))
    (path / SUITE_FILE).write_text(head, encoding="utf-8", newline="\n")
    rows = "".join(canonical_json(case.as_json()) + "\n" for case in suite.cases)
    (path / CASES_FILE).write_text(rows, encoding="utf-8", newline="\n")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise FormatError(
            path.name, f"not found in {path.parent}; a suite is a folder with both files"
        ) from error
    except UnicodeDecodeError as error:
        raise FormatError(path.name, f"is not UTF-8 (byte {error.start})") from error


def _yaml(text: str, path: Path) -> Any:
    try:
        document = yaml_text.load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise FormatError(path.name, f"is not YAML: {error.problem}", line=line) from error
    except yaml.YAMLError as error:
        raise FormatError(path.name, f"is not YAML: {error}") from error
    if document is None:
        raise FormatError(
            path.name,
            "is empty; it needs kind, name and components, and graders here or in each case",
        )
    return document


def _check(validator: Draft202012Validator, value: object, file: str, lines: Lines | int) -> None:
    error = best_match(validator.iter_errors(value))
    if error is None:
        return
    path = list(error.absolute_path)
    line = lines if isinstance(lines, int) else lines.of(path)
    message = "is set by the runner" if error.validator == "not" else error.message
    raise FormatError(file, message, line=line, field_name=_dotted(path))


def _dotted(path: Sequence[str | int]) -> str:
    return "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path).lstrip(".")


def head_of(document: Any, lines: Lines) -> SuiteSpec:
    """The suite of a document, without cases; FormatError names line and field."""
    _check(SUITE_VALIDATOR, document, SUITE_FILE, lines)
    _check_components(document["components"], lines)
    for index, spec in enumerate(document.get("graders", ())):
        _check_grader(spec, index, document["components"], lines)
    return SuiteSpec(
        name=document["name"],
        cases=(),
        graders=document.get("graders", []),
        components=document["components"],
        description=document.get("description", ""),
        owner=document.get("owner", ""),
        shelf_days=document.get("shelf_days", DEFAULT_SHELF_DAYS),
        review_by=_date(document, lines),
        policy=_policy(document.get("policy", {}), lines),
        canary=document.get("canary", ""),
        request=document.get("request", {}),
    )


def _check_components(declared: Mapping[str, str], lines: Lines) -> None:
    for label in declared:
        try:
            components.parse(label)
        except components.ComponentError as error:
            line = lines.of(["components", label])
            raise FormatError(SUITE_FILE, str(error), line=line, field_name="components") from error


def _check_grader(
    spec: Mapping[str, Any], index: int, declared: Mapping[str, str], lines: Lines
) -> None:
    where = f"graders[{index}]"
    try:
        graders.check_spec(spec)
    except GraderSpecError as error:
        line = lines.of(["graders", index, *re.findall(r"[^.\[\]]+", error.field_name)])
        field_name = f"{where}.{error.field_name}"
        raise FormatError(SUITE_FILE, error.problem, line=line, field_name=field_name) from error
    unknown = sorted(set(spec.get("components", ())) - set(declared))
    if unknown:
        line = lines.of(["graders", index, "components"])
        field_name = f"{where}.components"
        raise FormatError(SUITE_FILE, _undeclared(unknown), line=line, field_name=field_name)


def _undeclared(labels: Sequence[str]) -> str:
    return f"component {', '.join(labels)} is not under `components` in {SUITE_FILE}: declare it"


def _date(document: Mapping[str, Any], lines: Lines) -> datetime.date | None:
    if "review_by" not in document:
        return None
    try:
        return datetime.date.fromisoformat(document["review_by"])
    except ValueError as error:
        message = f"{document['review_by']!r} is not a date like 2027-01-31"
        line = lines.of(["review_by"])
        raise FormatError(SUITE_FILE, message, line=line, field_name="review_by") from error


def _policy(document: Mapping[str, Any], lines: Lines) -> Policy:
    for index, pattern in enumerate(document.get("refusal_patterns", ())):
        try:
            re.compile(pattern)
        except re.error as error:
            raise FormatError(
                SUITE_FILE,
                f"{pattern!r} is not a regular expression: {error}",
                line=lines.of(["policy", "refusal_patterns", index]),
                field_name=f"policy.refusal_patterns[{index}]",
            ) from error
    return Policy(**document)


def _cases(path: Path, suite: SuiteSpec) -> tuple[tuple[CaseSpec, ...], set[str]]:
    lines: dict[str, int] = {}
    cases: list[CaseSpec] = []
    scored: set[str] = set()
    for number, line in enumerate(_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        case = _case(line, number)
        if case.case_id in lines:
            message = f"case id {case.case_id!r} was used on line {lines[case.case_id]} already"
            raise FormatError(CASES_FILE, message, line=number, field_name="id")
        lines[case.case_id] = number
        scored |= _scored(case, number, suite)
        cases.append(case)
    if not cases:
        raise FormatError(CASES_FILE, "holds no case; write one JSON object a line")
    return tuple(cases), scored


def _case(line: str, number: int) -> CaseSpec:
    try:
        row = json.loads(line, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise FormatError(CASES_FILE, f"is not JSON: {error}", line=number) from error
    if UNSTORABLE.search(json.dumps(row, ensure_ascii=False)):
        message = "holds a NUL character or half of a surrogate pair, which cannot be stored"
        raise FormatError(CASES_FILE, message, line=number)
    return case_of(row, number)


def case_of(row: Any, number: int) -> CaseSpec:
    """The case of one line's object; FormatError names the field."""
    _check(CASE_VALIDATOR, row, CASES_FILE, number)
    fields = {key: value for key, value in row.items() if key not in ("id", "source")}
    source = CaseSource(row.get("source", CaseSource.WRITTEN))
    return CaseSpec(case_id=row["id"], source=source, **fields)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _scored(case: CaseSpec, number: int, suite: SuiteSpec) -> set[str]:
    """The components that the suite's graders and its own score on this case, all declared."""
    unknown = sorted(set(case.components) - set(suite.components))
    if unknown:
        raise FormatError(CASES_FILE, _undeclared(unknown), line=number, field_name="components")
    scored: set[str] = set()
    try:
        for spec, labels in graders.check_graded(suite.graders, case.graded()):
            unknown = sorted(set(labels) - set(suite.components))
            if unknown:
                told = f"grader {spec['type']} scores it on this case, but {_undeclared(unknown)}"
                raise FormatError(CASES_FILE, told, line=number, field_name="target")
            scored |= set(labels)
    except GraderSpecError as error:
        raise FormatError(
            CASES_FILE, error.problem, line=number, field_name=error.field_name
        ) from error
    return scored


def _check_all_scored(suite: SuiteSpec, scored: set[str]) -> None:
    for label in suite.components:
        if not any(components.is_within(one, label) for one in scored):
            message = f"no case scores component {label}: remove it or add cases"
            raise FormatError(SUITE_FILE, message, field_name="components")


def suite_as_json(suite: SuiteSpec) -> dict[str, Any]:
    """The document of `suite.yaml`; defaults that are empty are left out."""
    whole = {
        "kind": "Suite",
        "name": suite.name,
        "description": suite.description,
        "owner": suite.owner,
        "shelf_days": suite.shelf_days,
        "review_by": suite.review_by.isoformat() if suite.review_by else "",
        "canary": suite.canary,
        "components": suite.components,
        "graders": suite.graders,
        "policy": policy_as_json(suite.policy),
        "request": suite.request,
    }
    return {key: json.loads(canonical_json(value)) for key, value in whole.items() if value}
