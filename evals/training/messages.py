"""Rules that chat messages and tools obey in every format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evals.training.contract import Problems, problem, shown

ROLES = ("system", "developer", "user", "assistant", "tool")
_FIELDS = frozenset(
    {"role", "content", "name", "tool_calls", "tool_call_id", "weight", "refusal", "audio"}
)
_PARTS: Mapping[str, str] = {
    "text": "text",
    "refusal": "refusal",
    "image_url": "image_url",
    "input_audio": "input_audio",
    "file": "file",
}
_TO_CHAT = {"input_text": "text", "output_text": "text"}


def check_messages(messages: Any, where: str = "messages") -> Problems:
    """Every rule that this list of messages breaks."""
    if not isinstance(messages, list) or not messages:
        yield problem("messages", f"{where} is {shown(messages)}: write a list of messages")
        return
    called: set[str] = set()
    for at, message in enumerate(messages):
        place = f"{where}[{at}]"
        if not isinstance(message, Mapping):
            yield problem("messages", f"{place} is {shown(message)}: write an object")
            continue
        yield from _check_message(message, place, called)


def _check_message(message: Mapping[str, Any], where: str, called: set[str]) -> Problems:
    role = message.get("role")
    if role not in ROLES:
        yield problem("role", f"{where}.role is {shown(role)}: write one of {', '.join(ROLES)}")
    unknown = sorted(set(message) - _FIELDS)
    if unknown:
        yield problem("message_field", f"{where} has {', '.join(unknown)}: leave it out")
    calls = message.get("tool_calls")
    if calls is not None:
        yield from _check_calls(calls, where, role, called)
    yield from _check_content(message, where, may_lack=role == "assistant" and bool(calls))
    answers = message.get("tool_call_id")
    if role == "tool" and (not isinstance(answers, str) or answers not in called):
        said = f"{where}.tool_call_id is {shown(answers)}: no call before it has that id"
        yield problem("tool_call_id", said)
    elif role != "tool" and answers is not None:
        yield problem("tool_call_id", f"{where} is no tool's message and has a tool_call_id")


def _check_content(message: Mapping[str, Any], where: str, *, may_lack: bool) -> Problems:
    content = message.get("content")
    if isinstance(content, str):
        return
    if content is None:
        if not may_lack:
            yield problem("content", f"{where}.content is missing")
        return
    if not isinstance(content, list) or not content:
        yield problem("content", f"{where}.content is {shown(content)}: write text, or parts")
        return
    for at, part in enumerate(content):
        kind = part.get("type") if isinstance(part, Mapping) else None
        if not isinstance(kind, str) or kind not in _PARTS:
            known = ", ".join(_PARTS)
            said = f"{where}.content[{at}] has the type {shown(kind)}: the types are {known}"
            yield problem("content", said)
        elif not part.get(_PARTS[kind]) and not isinstance(part.get(_PARTS[kind]), str):
            yield problem("content", f"{where}.content[{at}] lacks its {_PARTS[kind]}")


def _check_calls(calls: Any, where: str, role: Any, called: set[str]) -> Problems:
    if role != "assistant":
        yield problem("tool_calls", f"{where} is no assistant's message and has tool_calls")
    if not isinstance(calls, list) or not calls:
        yield problem("tool_calls", f"{where}.tool_calls is {shown(calls)}: write a list of calls")
        return
    for at, call in enumerate(calls):
        place = f"{where}.tool_calls[{at}]"
        function = call.get("function") if isinstance(call, Mapping) else None
        if not isinstance(call, Mapping) or not isinstance(call.get("id"), str):
            yield problem("tool_calls", f"{place} has no id")
            continue
        called.add(call["id"])
        if call.get("type") != "function" or not isinstance(function, Mapping):
            yield problem("tool_calls", f"{place} is no call of a function")
        elif not function.get("name") or not isinstance(function.get("arguments"), str):
            yield problem("tool_calls", f"{place}.function lacks its name, or arguments as text")


def check_tools(row: Mapping[str, Any], where: str = "") -> Problems:
    """Rules of `tools` and `parallel_tool_calls`, where the row has them."""
    tools = row.get("tools")
    if "tools" in row:
        if not isinstance(tools, list):
            yield problem("tools", f"{where}tools is {shown(tools)}: write a list")
            tools = []
        for at, tool in enumerate(tools):
            tool = tool if isinstance(tool, Mapping) else {}
            function = tool.get("function") if tool.get("type") == "function" else None
            if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
                yield problem("tools", f"{where}tools[{at}] is no function with a name")
    parallel = row.get("parallel_tool_calls", True)
    if not isinstance(parallel, bool):
        said = f"{where}parallel_tool_calls is {shown(parallel)}: write true or false"
        yield problem("parallel_tool_calls", said)


def check_fields(row: Mapping[str, Any], known: frozenset[str], where: str = "") -> Problems:
    """One problem for all fields that the format does not have."""
    unknown = sorted(set(row) - known)
    if unknown:
        has = ", ".join(sorted(known))
        said = f"{where or 'the row'} has {', '.join(unknown)}; the format has {has}"
        yield problem("row_field", said)


def as_chat(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Messages as chat completions spell them, from those of the Responses API too."""
    return [_chat_message(message) for message in messages]


def _chat_message(message: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in message.items() if key in _FIELDS and value is not None}
    if isinstance(message.get("content"), list):
        kept["content"] = [
            {**part, "type": _TO_CHAT[part["type"]]}
            if isinstance(part, Mapping) and part.get("type") in ("input_text", "output_text")
            else part
            for part in message["content"]
        ]
    return kept
