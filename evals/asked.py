"""What a partner's call asked, as chat messages, whichever endpoint it came through. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def messages_of(request: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The messages of a chat completion, a response or a completion; empty when there are none."""
    if isinstance(request.get("messages"), list):
        return list(request["messages"])
    asked = request.get("input", request.get("prompt"))
    found = [{"role": "user", "content": asked}] if isinstance(asked, str) else asked
    if not isinstance(found, list) or not all(_is_message(item) for item in found):
        return []
    told = request.get("instructions")
    return [{"role": "system", "content": told}, *found] if told else found


def _is_message(item: object) -> bool:
    return isinstance(item, Mapping) and "role" in item and "content" in item
