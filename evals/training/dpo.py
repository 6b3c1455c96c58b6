"""Preference rows: `{"input", "preferred_output", "non_preferred_output"}`, both outputs lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evals.training import messages as chat
from evals.training.contract import Problems, problem, shown

FIELDS = frozenset({"input", "preferred_output", "non_preferred_output"})
INPUT_FIELDS = frozenset({"messages", "tools", "parallel_tool_calls"})
OUTPUTS = ("preferred_output", "non_preferred_output")
OUTPUT_ROLES = ("assistant", "tool")


def row(
    asked: Sequence[Mapping[str, Any]],
    preferred: str,
    other: str,
    tools: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """The row that says which of two answers to these messages is the better one."""
    return {
        "input": {
            "messages": chat.as_chat(asked),
            "tools": list(tools),
            "parallel_tool_calls": True,
        },
        "preferred_output": [{"role": "assistant", "content": preferred}],
        "non_preferred_output": [{"role": "assistant", "content": other}],
    }


def check(row: Mapping[str, Any]) -> Problems:
    """Every rule that the row breaks."""
    yield from chat.check_fields(row, FIELDS)
    yield from _check_input(row.get("input"))
    for name in OUTPUTS:
        if name not in row:
            yield problem("two_outputs", f"{name} is missing")
        else:
            yield from _check_output(row[name], name)


def _check_input(given: Any) -> Problems:
    if not isinstance(given, Mapping):
        yield problem("input", f"input is {shown(given)}: write an object with messages")
        return
    yield from chat.check_fields(given, INPUT_FIELDS, "input")
    said = given.get("messages")
    yield from chat.check_messages(said, "input.messages")
    yield from chat.check_tools(given, "input.")
    last = said[-1] if isinstance(said, list) and said else None
    if isinstance(last, Mapping) and last.get("role") == "assistant":
        yield problem("input_last", "input.messages ends with the assistant's message")


def _check_output(given: Any, name: str) -> Problems:
    if not isinstance(given, list) or not given:
        yield problem("output_list", f"{name} is {shown(given)}: write a list of messages")
        return
    roles = [message.get("role") if isinstance(message, Mapping) else None for message in given]
    for at, (message, role) in enumerate(zip(given, roles, strict=True)):
        if role not in OUTPUT_ROLES:
            yield problem("output_role", f"{name}[{at}] has the role {shown(role)}")
        elif not isinstance(message.get("content"), str):
            content = shown(message.get("content"))
            yield problem("output_text", f"{name}[{at}].content is {content}: write text")
    if roles[-1] != "assistant" or roles.count("assistant") != 1:
        yield problem("output_turn", f"{name} has the roles {', '.join(map(str, roles))}")
