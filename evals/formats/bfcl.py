"""BFCL's own files: questions in `X.json`, answers in `X.answers.json` or `possible_answer/X.json`.

Functions become tools as chat completions want them: JSON Schema's type names, no dots in names.
The file's own functions stay under `metadata.function`, so that nothing is lost.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from evals import graders
from evals.formats.contract import CaseSpec, FormatError, SuiteSpec, canonical_json, policy_as_json
from evals.formats.documents import Placed, json_values, name_from
from evals.graders.contract import GraderSpecError, Policy

GRADER: Mapping[str, Any] = {"type": "tool_call", "overall": "all"}
NO_ANSWERS = "irrelevance"
"""Part of the names of files whose questions no function answers."""
TYPES = {"dict": "object", "float": "number", "tuple": "array", "hashmap": "object", "any": None}
"""Python's names that BFCL uses for JSON Schema's; None: any type will do."""
KEYS = frozenset({"id", "question", "function"})
NOT_IN_A_FUNCTION_NAME = re.compile(r"[^A-Za-z0-9_-]")


def read(path: Path) -> SuiteSpec:
    """The questions with their answers; FormatError names file, line and field."""
    if path.is_dir():
        raise FormatError(path.name, "is a folder: name one of its question files")
    answers, told = _answers(path)
    cases, lines = [], {}
    for row in json_values(path):
        case = _case(row, answers)
        if case.case_id in lines:
            raise row.at("id").wrong(f"was used on line {lines[case.case_id]} already")
        lines[case.case_id] = row.line
        unknown = sorted(row.mapping().keys() - KEYS)
        if unknown:
            told.append(row.told(f"{', '.join(unknown)} is left out"))
        cases.append(case)
    if not cases:
        raise FormatError(path.name, "holds no question; write one JSON object a line")
    spare = [] if answers is None else sorted(answers.keys() - lines.keys())
    told += [answers[one].told(f"answers {one}, which {path.name} does not ask") for one in spare]
    return SuiteSpec(
        name=name_from(path.stem).replace(".", "-"),
        cases=cases,
        graders=[dict(GRADER)],
        components=_components(cases),
        description=f"Berkeley Function-Calling Leaderboard, {path.stem}.",
        not_expressible=told,
    )


def _answers(path: Path) -> tuple[dict[str, Placed] | None, list[str]]:
    """Each question's answers by id; None where no call is right."""
    beside = path.with_name(f"{path.stem}.answers.json")
    places = (beside, path.parent / "possible_answer" / path.name)
    file = next((place for place in places if place.is_file()), None)
    if file is None:
        if NO_ANSWERS in path.stem:
            return None, []
        tried = f"{beside.name} or possible_answer/{path.name}"
        message = f"has no answers: put {tried} beside it (only `{NO_ANSWERS}` files need none)"
        raise FormatError(path.name, message)
    found: dict[str, Placed] = {}
    for row in json_values(file):
        one = row.at("id").text()
        if one in found:
            raise row.at("id").wrong(f"{one} was answered already")
        found[one] = row
    return found, []


def _case(row: Placed, answers: Mapping[str, Placed] | None) -> CaseSpec:
    case_id = row.at("id").text()
    functions = [function.value for function in row.at("function").items()]
    case = CaseSpec(
        case_id=case_id,
        input=_messages(row.at("question")),
        tools=[_tool(function) for function in row.at("function").items()],
        target=[] if answers is None else _target(row, answers),
        metadata={"function": functions},
    )
    try:
        graders.check_case(GRADER, case.graded())
    except GraderSpecError as error:
        place = row if answers is None else answers[case_id]
        raise place.at("ground_truth").wrong(f"{error.field_name}: {error.problem}") from error
    return case


def _target(row: Placed, answers: Mapping[str, Placed]) -> Any:
    case_id = row.value["id"]
    if case_id not in answers:
        raise row.at("id").wrong(f"{case_id} has no answer in the answers' file")
    return [call.mapping() for call in answers[case_id].at("ground_truth").items()]


def _messages(question: Placed) -> list[Any]:
    """The one turn of the question; several turns are another kind of test."""
    turns = question.items()
    if turns and isinstance(turns[0].value, list):
        if len(turns) > 1:
            message = f"has {len(turns)} turns; questions of one turn are read here"
            raise question.wrong(message)
        turns = turns[0].items()
    if not turns or not all("role" in turn.mapping() for turn in turns):
        raise question.wrong("needs at least one message, each with a role")
    return [turn.value for turn in turns]


def _tool(function: Placed) -> dict[str, Any]:
    whole = function.mapping()
    name = NOT_IN_A_FUNCTION_NAME.sub("_", function.at("name").text())
    parameters = _schema(function.at("parameters"))
    told = {"description": whole["description"]} if "description" in whole else {}
    return {"type": "function", "function": {"name": name, **told, "parameters": parameters}}


def _schema(place: Placed) -> dict[str, Any]:
    """A schema with JSON Schema's names for types; what is not a schema inside it stays."""
    found = dict(place.mapping())
    if isinstance(found.get("type"), str):
        kind = TYPES.get(found["type"].lower(), found["type"].lower())
        found["type"] = kind
        if kind is None:
            del found["type"]
    if isinstance(found.get("properties"), Mapping):
        inner = place.at("properties")
        found["properties"] = {name: _schema(inner.at(name)) for name in found["properties"]}
    for name in ("items", "additionalProperties"):
        if isinstance(found.get(name), Mapping):
            found[name] = _schema(place.at(name))
    return found


def _components(cases: Sequence[CaseSpec]) -> dict[str, str]:
    labels = {label for case in cases for label in graders.check_case(GRADER, case.graded())}
    return {label: _meaning(label) for label in sorted(labels)}


def _meaning(label: str) -> str:
    known = {
        "function": "calls the right functions",
        "nothing_else": "calls and passes nothing beyond them",
        "no_call": "calls nothing where no function answers",
    }
    part = label.partition(".")[2]
    return known.get(part) or f"passes an accepted `{part.partition('.')[2]}`"


def write(suite: SuiteSpec, path: Path) -> None:
    """`X.json` and `X.answers.json`, the same bytes for the same suite; FormatError otherwise.

    Where no case expects a call there are no answers, and the name must say `irrelevance`.
    """
    problems = list(_beyond(suite))
    if problems:
        raise FormatError(path.name, f"BFCL's files can't carry {'; '.join(problems)}")
    uncalled = not any(case.target for case in suite.cases)
    if uncalled is not (NO_ANSWERS in path.stem):
        rule = f"exactly the files whose questions need no call are called `{NO_ANSWERS}`"
        raise FormatError(path.name, f"is no name for this suite: {rule}")
    asked = [
        {"id": case.case_id, "question": [list(case.input)], "function": _functions(case)}
        for case in suite.cases
    ]
    _write_lines(path, asked)
    if not uncalled:
        told = [{"id": case.case_id, "ground_truth": case.target} for case in suite.cases]
        _write_lines(path.with_name(f"{path.stem}.answers.json"), told)


def _write_lines(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text(text, encoding="utf-8", newline="\n")


def _functions(case: CaseSpec) -> Any:
    return case.metadata.get("function") or [tool["function"] for tool in case.tools]


def _beyond(suite: SuiteSpec) -> Iterator[str]:
    """What decides a score and has no place in the files."""
    if canonical_json(suite.graders) != canonical_json([GRADER]):
        yield f"its graders {canonical_json(suite.graders)}"
    if suite.request:
        yield f"its request {canonical_json(suite.request)}"
    if policy_as_json(suite.policy) != policy_as_json(Policy()):
        yield "its policy"
    for case in suite.cases:
        extra = [
            name
            for name in ("components", "cluster", "request", "serving", "graders")
            if getattr(case, name)
        ]
        extra += sorted(case.metadata.keys() - {"function"})
        if extra or not case.tools:
            yield f"case {case.case_id}: {', '.join(extra) or 'it has no tools'}"
