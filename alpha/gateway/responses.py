"""`POST /v1/responses`: what it has of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from alpha.gateway.errors import Failure, Refusal, UpstreamFailed
from alpha.gateway.operation import UNBOUNDED_TOKENS, Bound, Operation
from alpha.gateway.proxy import code_in
from alpha.gateway.replies import RESPONSE_COUNTS, counted
from alpha.gateway.response_replies import ENDS, ResponseReplies, shown_usage
from alpha.gateway.response_requests import FORWARDED, response_request
from alpha.routing import CheckpointEntry
from releases.serving import ServingDefaults, compose_response

# What a template may add around each item, at most.
FRAME_TOKENS = 16
FAILED = frozenset({"error", "response.failed", "response.cancelled"})


class Response(Operation):
    """One response."""

    path = "responses"

    def __init__(self, body: Mapping[str, Any]) -> None:
        given = response_request(body)
        self._given = given
        self.codename, self.stream = given["model"], given.get("stream", False)
        self.safety_identifier, self.user = given.get("safety_identifier"), given.get("user")
        self.forwarded = {name: value for name, value in given.items() if name in FORWARDED}
        self.opens_with_system = bool(given.get("instructions"))
        self._keeps_text = self._has_begun = False
        self._last: Any = None
        self._end_event = ""
        self._texts: dict[int, list[str]] = {}
        self._said: list[dict[str, Any]] = []

    def bound(self, checkpoint: CheckpointEntry) -> Bound:
        """A token a byte, and every token that it may be answered.

        Without `max_output_tokens` nobody knows: a usual length is reserved.
        """
        sampling = checkpoint.serving.get("sampling") or {}
        limit = self.forwarded.get("max_output_tokens") or sampling.get("max_tokens")
        asked = self.forwarded["input"]
        n_items = 2 + (len(asked) if isinstance(asked, list) else 0)
        return Bound(
            tokens_in=len(orjson.dumps(self.forwarded)) + FRAME_TOKENS * n_items,
            tokens_out=min(limit or UNBOUNDED_TOKENS, checkpoint.context_window),
            is_kept=limit is not None,
        )

    @property
    def n_bytes(self) -> int:
        told = (self.forwarded["input"], self.forwarded.get("instructions", ""))
        return len(orjson.dumps(told))

    def composed(self, serving: Mapping[str, Any], upstream_model: str) -> dict[str, Any]:
        # Never stored upstream either.
        body = {**self.forwarded, "store": False}
        if self.stream:
            body["stream"] = True
        return compose_response(ServingDefaults.from_row(serving), upstream_model, body)

    def begin(self, request_hex: str, created: int, *, keeps_text: bool) -> None:
        self._replies = ResponseReplies(request_hex, created, self._given)
        self._keeps_text = keeps_text

    def count(self, upstream: Any) -> None:
        usage = upstream.get("usage") if isinstance(upstream, dict) else None
        self.counts = counted(usage, RESPONSE_COUNTS)

    def whole(self, upstream: Any, hidden_tokens: int) -> bytes:
        return orjson.dumps(self._whole(upstream, hidden_tokens))

    def event(self, upstream: Mapping[str, Any]) -> bytes:
        kind = str(upstream.get("type"))
        if kind in FAILED:
            raise _failed(upstream)
        opening = self._opening()
        if kind in ENDS:
            self._end_event, self._last = kind, upstream.get("response")
            self.count(self._last)
            self.is_over = True
            return opening
        built = self._replies.event(upstream)
        if built is None:
            return opening
        if kind.endswith(".delta"):
            self.n_pieces += 1
            if self._keeps_text:
                self._texts.setdefault(built["output_index"], []).append(built["delta"])
        return opening + _named(built)

    def done(self) -> None:
        raise UpstreamFailed(Failure.CUT_OFF, "[DONE] came before the end of the response")

    def end(self, hidden_tokens: int) -> bytes:
        last = {"response": self._whole(self._last, hidden_tokens)}
        return _named(self._replies.numbered(self._end_event, last))

    def broken_off(self, refusal: Refusal) -> bytes:
        told = refusal.fields()
        # Flat as OpenAI documents it; under `error` too, where its SDKs look and raise.
        flat = {name: told[name] for name in ("code", "message", "param")}
        return _named(self._replies.numbered("error", {**flat, "error": told}))

    def said(self) -> list[dict[str, Any]]:
        return self._said or [
            {"output_index": place, "text": "".join(pieces)}
            for place, pieces in sorted(self._texts.items())
        ]

    def _whole(self, upstream: Any, hidden_tokens: int) -> dict[str, Any]:
        usage = shown_usage(self.counts, hidden_tokens) if self.counts else None
        reply = self._replies.whole(upstream, usage)
        self._said = reply["output"]
        return reply

    def _opening(self) -> bytes:
        """The two events that every stream opens with, once, whether the upstream sends them."""
        if self._has_begun:
            return b""
        self._has_begun = True
        begun = {"response": self._replies.begun()}
        kinds = ("response.created", "response.in_progress")
        return b"".join(_named(self._replies.numbered(kind, begun)) for kind in kinds)


def _failed(upstream: Mapping[str, Any]) -> UpstreamFailed:
    held = upstream.get("response")
    error = held.get("error") if isinstance(held, dict) else upstream
    problem = f"the response failed {code_in({'error': error})}".strip()
    return UpstreamFailed(Failure.BROKEN, problem, words=str(error))


def _named(event: Mapping[str, Any]) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (event["type"].encode(), orjson.dumps(event))
