"""What a client may send: allow-listed fields of `/v1/chat/completions`, each of its type.

Nested values go upstream untouched, but for addresses that an upstream would fetch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from alpha.gateway.fields import (
    KEPT_HERE,
    PENALTIES,
    SAMPLING,
    Fields,
    check_addresses,
    checked,
    include_usage,
    invalid,
    is_a,
    is_choice,
    is_int,
    is_name,
    is_objects,
)

ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
PART_TYPES = frozenset({"text", "image_url", "input_audio", "file", "refusal"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """A checked request: what goes upstream, and what stays here."""

    codename: str
    forwarded: Mapping[str, Any]
    stream: bool
    include_usage: bool
    wants_logprobs: bool
    safety_identifier: str | None
    user: str | None

    @property
    def starts_with_system(self) -> bool:
        return bool(self.forwarded["messages"][0]["role"] == "system")

    @property
    def max_tokens(self) -> int | None:
        return self.forwarded.get("max_tokens")

    @property
    def n_choices(self) -> int:
        return int(self.forwarded.get("n", 1))


FORWARDED: Fields = {
    "messages": ("a list of messages", is_objects),
    **SAMPLING,
    **PENALTIES,
    "max_completion_tokens": ("a whole number of at least 1", is_int(1, 2**31 - 1)),
    "logprobs": ("true or false", is_a(bool)),
    "top_logprobs": ("a whole number from 0 to 20", is_int(0, 20)),
    "tools": ("a list of objects", is_objects),
    "tool_choice": ("a string or an object", is_choice),
    "parallel_tool_calls": ("true or false", is_a(bool)),
    "functions": ("a list of objects", is_objects),
    "function_call": ("a string or an object", is_choice),
    "response_format": ("an object", is_a(dict)),
    "reasoning_effort": ("a string", is_name),
}
KNOWN: Fields = {**FORWARDED, **KEPT_HERE}


def chat_request(body: Mapping[str, Any]) -> ChatRequest:
    """The checked request; Refusal 400 that names the field in `param`."""
    given = checked(body, KNOWN, ("model", "messages"))
    _check_messages(given["messages"])
    stream = given.get("stream", False)
    forwarded = {name: value for name, value in given.items() if name in FORWARDED}
    return ChatRequest(
        codename=given["model"],
        forwarded=_one_limit(forwarded),
        stream=stream,
        include_usage=include_usage(given.get("stream_options"), stream),
        wants_logprobs=given.get("logprobs", False),
        safety_identifier=given.get("safety_identifier"),
        user=given.get("user"),
    )


def _one_limit(forwarded: dict[str, Any]) -> dict[str, Any]:
    """`max_completion_tokens` under the name that every OpenAI-compatible server knows."""
    newer = forwarded.pop("max_completion_tokens", None)
    if newer is None:
        return forwarded
    if "max_tokens" in forwarded:
        raise invalid(
            "max_completion_tokens", "Send 'max_tokens' or 'max_completion_tokens', not both."
        )
    return {**forwarded, "max_tokens": newer}


def _check_messages(messages: list[dict[str, Any]]) -> None:
    if not messages:
        raise invalid("messages", "'messages' must hold at least one message.")
    for at, message in enumerate(messages):
        where = f"messages[{at}]"
        role = message.get("role")
        if not isinstance(role, str) or role not in ROLES:
            raise invalid(f"{where}.role", f"'{where}.role' must be one of {sorted(ROLES)}.")
        content = message.get("content")
        if content is None or isinstance(content, str):
            continue
        if not is_objects(content):
            raise invalid(f"{where}.content", f"'{where}.content' must be text or parts.")
        for number, part in enumerate(content):
            _check_part(part, f"{where}.content[{number}]")


def _check_part(part: Mapping[str, Any], where: str) -> None:
    kind = part.get("type")
    if not isinstance(kind, str) or kind not in PART_TYPES:
        raise invalid(f"{where}.type", f"'{where}.type' must be one of {sorted(PART_TYPES)}.")
    check_addresses(part, where)
