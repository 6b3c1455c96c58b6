"""Inspect's messages as chat completions carry them. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

ROLES = frozenset({"system", "user", "assistant", "tool", "developer"})


class Unknown(ValueError):
    """A message that chat completions have no place for; the text says what."""


def of_input(given: Any) -> list[dict[str, Any]]:
    """A sample's input: text, or messages."""
    if isinstance(given, str):
        return [{"role": "user", "content": given}]
    if not isinstance(given, list) or not given:
        raise Unknown("input is neither text nor messages")
    return [_message(message) for message in given]


def _message(message: Any) -> dict[str, Any]:
    role = message.get("role") if isinstance(message, Mapping) else None
    if role not in ROLES:
        raise Unknown(f"a message has the role {role!r}")
    found: dict[str, Any] = {"role": role, "content": _content(message.get("content"))}
    if message.get("tool_calls"):
        found["tool_calls"] = tool_calls(message)
    if role == "tool" and message.get("tool_call_id"):
        found["tool_call_id"] = message["tool_call_id"]
    return found


def _content(content: Any) -> Any:
    if isinstance(content, str) or content is None:
        return content or ""
    if not isinstance(content, list):
        raise Unknown("a message's content is neither text nor parts")
    return [_part(part) for part in content]


def _part(part: Any) -> dict[str, Any]:
    kind = part.get("type") if isinstance(part, Mapping) else None
    if kind == "text":
        return {"type": "text", "text": part["text"]}
    if kind == "image":
        detail = {"detail": part["detail"]} if part.get("detail", "auto") != "auto" else {}
        return {"type": "image_url", "image_url": {"url": part["image"], **detail}}
    if kind == "reasoning":
        return {"type": "text", "text": part.get("reasoning") or ""}
    raise Unknown(f"a message has a part of type {kind!r}")


def tool_calls(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The tool calls of an assistant's message; arguments as JSON text."""
    return [
        {
            "id": call.get("id") or "",
            "type": "function",
            "function": {
                "name": call["function"],
                "arguments": json.dumps(plain(call.get("arguments") or {}), ensure_ascii=False),
            },
        }
        for call in message.get("tool_calls") or ()
    ]


def plain(value: Any) -> Any:
    """JSON without NaN and infinities, which it has no word for: null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    return value
