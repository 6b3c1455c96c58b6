"""Recorded conversations, cut where the last reply is asked for again. Pure.

An agent's conversation is cut before its first tool call after the last question: the calls and
their recorded results come back only to a checkpoint that asks for the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from evals.asked import messages_of

# What a client set that decides its reply; everything else was about transport or its users.
SETTINGS = (
    *("temperature", "top_p", "max_tokens", "max_completion_tokens", "stop", "seed"),
    *("presence_penalty", "frequency_penalty", "response_format", "tool_choice"),
    "parallel_tool_calls",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedCall:
    """A tool call of the recorded conversation and what the tool answered."""

    name: str
    arguments: Any
    """Parsed; the text itself where it is no JSON."""
    result: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """A prefix that ends with a question, and what the record says came after it."""

    prefix: Sequence[Mapping[str, Any]]
    tools: Sequence[Mapping[str, Any]] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    recorded: Sequence[RecordedCall] = ()
    reply: Mapping[str, Any] | None = None
    """The recorded last reply."""

    def body(self) -> dict[str, Any]:
        """The chat completion that asks for the last reply."""
        asked: dict[str, Any] = {**self.settings, "messages": [dict(m) for m in self.prefix]}
        if self.tools:
            asked["tools"] = list(self.tools)
        return asked

    def result_of(self, name: str, arguments: Any) -> RecordedCall | None:
        """The recorded call of that name with equal arguments; None: nobody knows its result."""
        wanted = parsed(arguments)
        return next(
            (c for c in self.recorded if c.name == name and _equal(c.arguments, wanted)), None
        )


def conversation_of(request: Mapping[str, Any], reply: Any) -> Conversation | None:
    """The conversation of one recorded call; None where no question can be found in it."""
    messages = messages_of(request)
    asked = [at for at, one in enumerate(messages) if one.get("role") == "user"]
    if not asked:
        return None
    cut = asked[-1] + 1
    tools = request.get("tools")
    return Conversation(
        prefix=messages[:cut],
        tools=tools if isinstance(tools, list) else (),
        settings={name: request[name] for name in SETTINGS if request.get(name) is not None},
        recorded=tuple(_recorded(messages[cut:])),
        reply=_first(reply),
    )


def conversation_of_line(line: Any) -> Conversation | None:
    """As `conversation_of`, from an object of a public set: its last message may be the reply."""
    messages = line.get("messages") if isinstance(line, Mapping) else None
    if not isinstance(messages, list) or not all(_is_message(one) for one in messages):
        return None
    is_reply = bool(messages) and messages[-1]["role"] == "assistant"
    whole = messages[:-1] if is_reply else messages
    return conversation_of({**line, "messages": whole}, messages[-1:] if is_reply else [])


def parsed(arguments: Any) -> Any:
    """A tool call's arguments as JSON, so that spaces and the order of keys do not count."""
    if not isinstance(arguments, str):
        return arguments
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments


def _equal(one: Any, other: Any) -> bool:
    """Equal as JSON: true is not 1."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _recorded(messages: Sequence[Mapping[str, Any]]) -> Iterator[RecordedCall]:
    results = {
        str(one.get("tool_call_id")): one.get("content")
        for one in messages
        if one.get("role") == "tool"
    }
    for one in messages:
        for call in one.get("tool_calls") or ():
            called = call.get("function") if isinstance(call, Mapping) else None
            if isinstance(called, Mapping) and str(call.get("id")) in results:
                yield RecordedCall(
                    name=str(called.get("name")),
                    arguments=parsed(called.get("arguments")),
                    result=results[str(call["id"])],
                )


def _first(reply: Any) -> Mapping[str, Any] | None:
    found = reply[0] if isinstance(reply, list) and reply else reply
    return found if isinstance(found, Mapping) else None


def _is_message(one: object) -> bool:
    return isinstance(one, Mapping) and isinstance(one.get("role"), str)
