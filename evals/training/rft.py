"""Reinforcement rows: messages up to the user's, and extra fields that a grader reads as `item`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evals.graders import templates
from evals.training import messages as chat
from evals.training.contract import Problems, problem, shown

REFERENCE = "reference_text"
"""Where a correction stands in the item."""


def row(
    asked: Sequence[Mapping[str, Any]],
    reference: str,
    tools: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """The row that asks this, with the answer that a grader may hold the model's against."""
    said = [_as_developer(message) for message in chat.as_chat(asked)]
    return {"messages": said, REFERENCE: reference, **({"tools": list(tools)} if tools else {})}


def _as_developer(message: dict[str, Any]) -> dict[str, Any]:
    return {**message, "role": "developer"} if message.get("role") == "system" else message


def check(row: Mapping[str, Any], reads: Sequence[str] = ()) -> Problems:
    """Every rule that the row breaks; `reads` are the paths of `item` that the grader names."""
    said = row.get("messages")
    yield from chat.check_messages(said)
    yield from chat.check_tools(row)
    listed = said if isinstance(said, list) else []
    roles = [message.get("role") for message in listed if isinstance(message, Mapping)]
    if roles and roles[-1] != "user":
        yield problem("last_user", f"the last message's role is {shown(roles[-1])}")
    if "system" in roles:
        at = roles.index("system")
        yield problem("system_role", f"messages[{at}].role is system: write developer")
    for path in reads:
        if not _has(row, path):
            yield problem("item_missing", f"the grader reads item{path}, which the row lacks")


def _has(row: Mapping[str, Any], path: str) -> bool:
    found: Any = row
    for name, index in templates.STEP.findall(path):
        try:
            found = found[int(name or index)] if isinstance(found, list) else found[name or index]
        except (LookupError, TypeError, ValueError):
            return False
    return True
