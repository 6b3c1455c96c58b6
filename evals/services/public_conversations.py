"""Public sets of conversations: JSONL, one `{"messages": [...]}` a line."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from evals.conversations import conversation_of_line
from evals.formats.contract import CaseSpec
from evals.states import CaseSource


def public_cases(lines: Iterable[str], most: int) -> tuple[list[CaseSpec], list[str]]:
    """A case a line that is not empty, and what is wrong with the others, by line."""
    cases, problems, seen = list[CaseSpec](), list[str](), set[str]()
    for number, text in enumerate(lines, start=1):
        if not text.strip():
            continue
        try:
            case = _public_case(number, json.loads(text))
        except ValueError as error:
            problems.append(f"line {number}: {error}.")
            continue
        if case.case_id in seen:
            problems.append(f"line {number}, id: {case.case_id!r} is there twice.")
        seen.add(case.case_id)
        cases.append(case)
        if len(cases) > most:
            problems.append(f"line {number}: more than {most:,} conversations.")
            break
    return cases, problems


def _public_case(number: int, line: Any) -> CaseSpec:
    """ValueError saying what is wrong with the line."""
    found = conversation_of_line(line)
    if found is None:
        raise ValueError("messages: needs a list of messages with roles, one of them the user's")
    case_id, cluster = line.get("id", f"line-{number}"), line.get("cluster", "")
    if not isinstance(case_id, str) or not isinstance(cluster, str):
        raise ValueError("id, cluster: must be texts")
    return CaseSpec(
        case_id=case_id,
        input=found.prefix,
        tools=found.tools,
        metadata={"line": line},
        cluster=cluster,
        source=CaseSource.REPLAY,
    )
