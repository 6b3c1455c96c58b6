"""Supervised rows: `{"messages": […, assistant], "tools"?, "parallel_tool_calls"?}`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evals.training import messages as chat
from evals.training.contract import Problems, problem, shown

FIELDS = frozenset({"messages", "tools", "parallel_tool_calls"})


def row(
    asked: Sequence[Mapping[str, Any]], answer: str, tools: Sequence[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    """The row that teaches to give this answer to these messages."""
    said = [*chat.as_chat(asked), {"role": "assistant", "content": answer}]
    return {"messages": said, **({"tools": list(tools)} if tools else {})}


def check(row: Mapping[str, Any]) -> Problems:
    """Every rule that the row breaks."""
    yield from chat.check_fields(row, FIELDS)
    said = row.get("messages")
    yield from chat.check_messages(said)
    yield from chat.check_tools(row)
    if not isinstance(said, list) or not said:
        return
    last = said[-1].get("role") if isinstance(said[-1], Mapping) else None
    if last != "assistant":
        yield problem("last_assistant", f"the last message's role is {shown(last)}")
    for at, message in enumerate(said):
        yield from _check_weight(message, f"messages[{at}]")


def _check_weight(message: Any, where: str) -> Problems:
    if not isinstance(message, Mapping) or "weight" not in message:
        return
    weight = message["weight"]
    if isinstance(weight, bool) or weight not in (0, 1):
        yield problem("weight", f"{where}.weight is {shown(weight)}: write 0 or 1")
    if message.get("role") != "assistant":
        yield problem("weight", f"{where} is no assistant's message and has a weight")
