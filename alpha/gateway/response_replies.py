"""Responses and their events, built anew from allow-listed types and fields.

What a model thought before it answered is no part of an answer here, as it is none in chat:
such items are dropped, and the others are numbered without them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from alpha.gateway.errors import Failure, UpstreamFailed
from alpha.gateway.replies import Counted, tokens_of

ID_PREFIXES = {"message": "msg", "function_call": "fc"}
STATES = frozenset({"in_progress", "completed", "incomplete"})
ENDS = {"response.completed": "completed", "response.incomplete": "incomplete"}
ENDED = frozenset(ENDS.values())
REASONS = frozenset({"max_output_tokens", "content_filter"})
# Events of text in the making: the field that holds the text.
PIECES = {
    "response.output_text.delta": "delta",
    "response.output_text.done": "text",
    "response.refusal.delta": "delta",
    "response.refusal.done": "refusal",
    "response.function_call_arguments.delta": "delta",
    "response.function_call_arguments.done": "arguments",
}
ITEM_EVENTS = frozenset({"response.output_item.added", "response.output_item.done"})
PART_EVENTS = frozenset({"response.content_part.added", "response.content_part.done"})
# What a response repeats of its request, and what stands there when it was not sent.
REPEATED: dict[str, Any] = {
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "reasoning": {"effort": None, "summary": None},
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": None,
    "top_p": None,
    "truncation": "disabled",
    "user": None,
}
NOT_HERE: dict[str, Any] = {"background": False, "previous_response_id": None, "store": False}


def shown_usage(counts: Counted, hidden_tokens: int) -> dict[str, Any]:
    """The counts as the partner sees them: less what the hidden prompt added."""
    tokens_in = max(0, counts.tokens_in - hidden_tokens)
    return {
        "input_tokens": tokens_in,
        "input_tokens_details": {"cached_tokens": max(0, counts.cached - hidden_tokens)},
        "output_tokens": counts.tokens_out,
        "output_tokens_details": {"reasoning_tokens": counts.reasoning or 0},
        "total_tokens": tokens_in + counts.tokens_out,
    }


class ResponseReplies:
    """Builds the response or the events of one request."""

    def __init__(self, request_hex: str, created: int, asked: Mapping[str, Any]) -> None:
        self._hex = request_hex
        self._head = {
            "id": f"resp_{request_hex}",
            "object": "response",
            "created_at": created,
            "model": asked["model"],
            **{name: asked.get(name, default) for name, default in REPEATED.items()},
            **NOT_HERE,
        }
        self._logprobs = bool(asked.get("include"))
        # By the upstream's item id and by its index: our index, None for an item that is dropped.
        self._places: dict[str | int, int | None] = {}
        self._ids: list[str] = []
        self._sequence = 0

    def numbered(self, kind: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """The next event of the stream."""
        event = {"type": kind, "sequence_number": self._sequence, **fields}
        self._sequence += 1
        return event

    def begun(self) -> dict[str, Any]:
        """The response before anything was answered."""
        return self._response("in_progress", [], None, None)

    def whole(self, upstream: Any, usage: dict[str, Any] | None) -> dict[str, Any]:
        """The response for an upstream's; UpstreamFailed when it is none that ended well."""
        held = upstream if isinstance(upstream, dict) else {}
        output, status = held.get("output"), held.get("status", "completed")
        if status == "failed":
            raise UpstreamFailed(
                Failure.BROKEN, "the response failed", words=str(held.get("error"))
            )
        if not isinstance(output, list) or not _is_one_of(status, ENDED):
            raise UpstreamFailed(Failure.MALFORMED, "the reply is no response that has ended")
        built: list[dict[str, Any]] = []
        for item in output:
            if _kind_of(item) in ID_PREFIXES:
                built.append(self._item(item, len(built)))
        return self._response(status, built, usage, held.get("incomplete_details"))

    def event(self, upstream: Mapping[str, Any]) -> dict[str, Any] | None:
        """The event for an upstream's; None when it holds nothing for the client."""
        kind = _kind_of(upstream)
        if kind in ITEM_EVENTS:
            return self._item_event(kind, upstream)
        if kind in PART_EVENTS or kind in PIECES:
            return self._inner_event(kind, upstream)
        return None

    def _response(
        self, status: str, output: list[dict[str, Any]], usage: Any, incomplete: Any
    ) -> dict[str, Any]:
        reason = incomplete.get("reason") if isinstance(incomplete, dict) else None
        told = {"reason": reason} if _is_one_of(reason, REASONS) else None
        return {
            **self._head,
            "status": status,
            "error": None,
            "incomplete_details": told if status == "incomplete" else None,
            "output": output,
            "usage": usage,
        }

    def _item_event(self, kind: str, upstream: Mapping[str, Any]) -> dict[str, Any] | None:
        item = upstream.get("item")
        if kind.endswith("added"):
            self._take_place(upstream, item)
        place = self._place_of(upstream, item)
        if place is None or not isinstance(item, dict):
            return None
        return self.numbered(kind, {"output_index": place, "item": self._item(item, place)})

    def _take_place(self, upstream: Mapping[str, Any], item: Any) -> None:
        kind = _kind_of(item)
        place = len(self._ids) if kind in ID_PREFIXES else None
        if place is not None:
            self._ids.append(self._id_of(ID_PREFIXES[kind], place))
        # Some servers give a call no id but its call's.
        for name in ("id", "call_id") if isinstance(item, dict) else ():
            if isinstance(item.get(name), str):
                self._places[item[name]] = place
        if isinstance(upstream.get("output_index"), int):
            self._places[upstream["output_index"]] = place

    def _place_of(self, upstream: Mapping[str, Any], item: Any) -> int | None:
        """Our index of the item that an event is about; some servers send its id alone."""
        told = item if isinstance(item, dict) else {"id": upstream.get("item_id")}
        for name in (told.get("id"), told.get("call_id"), upstream.get("output_index")):
            if isinstance(name, str | int) and name in self._places:
                return self._places[name]
        raise UpstreamFailed(Failure.MALFORMED, "an event is about an item that was never added")

    def _inner_event(self, kind: str, upstream: Mapping[str, Any]) -> dict[str, Any] | None:
        place = self._place_of(upstream, None)
        if place is None:
            return None
        fields: dict[str, Any] = {"item_id": self._ids[place], "output_index": place}
        if not kind.startswith("response.function_call"):
            number = upstream.get("content_index", 0)
            fields["content_index"] = number if isinstance(number, int) else 0
        if kind in PART_EVENTS:
            part = self._part(upstream.get("part"))
            return None if part is None else self.numbered(kind, {**fields, "part": part})
        name = PIECES[kind]
        text = upstream.get(name)
        if not isinstance(text, str):
            raise UpstreamFailed(Failure.MALFORMED, f"an event has no {name}")
        fields[name] = text
        if kind.startswith("response.output_text"):
            given = upstream.get("logprobs")
            fields["logprobs"] = tokens_of(given) if self._logprobs else []
        return self.numbered(kind, fields)

    def _item(self, item: Mapping[str, Any], place: int) -> dict[str, Any]:
        kind, status = item.get("type"), item.get("status")
        built: dict[str, Any] = {
            "id": self._id_of(ID_PREFIXES.get(str(kind), "msg"), place),
            "type": kind,
            "status": status if _is_one_of(status, STATES) else "completed",
        }
        if kind == "message":
            parts = item.get("content")
            given = [self._part(part) for part in parts] if isinstance(parts, list) else []
            return {**built, "role": "assistant", "content": [p for p in given if p is not None]}
        if kind != "function_call":
            raise UpstreamFailed(Failure.MALFORMED, "an item changed its type")
        for name in ("name", "arguments"):
            text = item.get(name)
            built[name] = text if isinstance(text, str) else ""
        # The form of an upstream's own ids tells which server it is.
        return {**built, "call_id": self._id_of("call", place)}

    def _part(self, part: Any) -> dict[str, Any] | None:
        if _kind_of(part) == "output_text" and isinstance(part.get("text"), str):
            return {
                "type": "output_text",
                "text": part["text"],
                "annotations": [],
                "logprobs": tokens_of(part.get("logprobs")) if self._logprobs else [],
            }
        if _kind_of(part) == "refusal" and isinstance(part.get("refusal"), str):
            return {"type": "refusal", "refusal": part["refusal"]}
        return None

    def _id_of(self, prefix: str, place: int) -> str:
        told = f"{self._hex}/{place}".encode()
        return f"{prefix}_{hashlib.blake2b(told, digest_size=16).hexdigest()}"


def _is_one_of(value: Any, allowed: frozenset[str]) -> bool:
    return isinstance(value, str) and value in allowed


def _kind_of(value: Any) -> str:
    kind = value.get("type") if isinstance(value, dict) else None
    return kind if isinstance(kind, str) else ""
