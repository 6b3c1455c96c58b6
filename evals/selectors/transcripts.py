"""What a partner's call asked, from the transcript that its partner agreed to keep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alpha import transcripts
from alpha.models import Feedback
from infra.errors import InvalidInput


def asked_of(feedback: Feedback) -> list[dict[str, Any]]:
    """The messages of the call that the feedback is about, as chat messages.

    NotFound when no text is kept; InvalidInput when the feedback names no call, or its text holds
    no messages: then a person writes them.
    """
    if feedback.request_id is None:
        raise _unknown("it is not about one call")
    try:
        request = transcripts.read_transcript(feedback.request_id)["request"]
    except transcripts.sealing.Unreadable as error:
        raise _unknown(f"the kept text can't be read ({error})") from error
    found = _messages(request)
    if not found:
        raise _unknown("the kept text holds no messages")
    return found


def _messages(request: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Of a chat completion, a response or a completion, in that order."""
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


def _unknown(why: str) -> InvalidInput:
    message = f"What was asked is not known: {why}. Write the messages of the case."
    return InvalidInput("messages_unknown", message)
