"""`POST /v1/chat/completions`: what it has of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from alpha.gateway.assembly import Assembly
from alpha.gateway.operation import UNBOUNDED_TOKENS, Bound, Operation, sse
from alpha.gateway.replies import ChatReplies, counted, shown_usage
from alpha.gateway.requests import chat_request
from alpha.routing import CheckpointEntry
from releases.serving import ServingDefaults, compose_request

# What a template may add around each message, at most.
FRAME_TOKENS = 16
# Fields that a template writes into the prompt beside the messages.
DESCRIBED = ("tools", "functions", "response_format")


class Chat(Operation):
    """One chat completion."""

    path = "chat/completions"

    def __init__(self, body: Mapping[str, Any]) -> None:
        asked = chat_request(body)
        self._asked = asked
        self.codename, self.stream = asked.codename, asked.stream
        self.safety_identifier, self.user = asked.safety_identifier, asked.user
        self.forwarded = asked.forwarded
        self.opens_with_system = asked.starts_with_system
        self._assembly: Assembly | None = None
        self._said: list[dict[str, Any]] = []

    def bound(self, checkpoint: CheckpointEntry) -> Bound:
        """A token a byte, and every token that it may be answered.

        Without `max_tokens` nobody knows: a usual length is reserved, and the limits know of it.
        """
        asked = self.forwarded
        described = [asked[name] for name in DESCRIBED if name in asked]
        sampling = checkpoint.serving.get("sampling") or {}
        limit = self._asked.max_tokens or sampling.get("max_tokens")
        longest = min(limit or UNBOUNDED_TOKENS, checkpoint.context_window)
        return Bound(
            tokens_in=self.n_bytes
            + (len(orjson.dumps(described)) if described else 0)
            + FRAME_TOKENS * len(asked["messages"]),
            tokens_out=longest * self._asked.n_choices,
            is_kept=limit is not None,
        )

    @property
    def n_bytes(self) -> int:
        return len(orjson.dumps(self.forwarded["messages"]))

    def composed(self, serving: Mapping[str, Any], upstream_model: str) -> dict[str, Any]:
        body = dict(self.forwarded)
        if self.stream:
            # Always asked for: a stream is metered like any other call.
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        return compose_request(ServingDefaults.from_row(serving), upstream_model, body)

    def begin(self, request_hex: str, created: int, *, keeps_text: bool) -> None:
        asked = self._asked
        self._replies = ChatReplies(
            request_hex,
            created,
            asked.codename,
            logprobs=asked.wants_logprobs,
            usage=asked.include_usage,
        )
        self._assembly = Assembly() if keeps_text else None

    def count(self, upstream: Any) -> None:
        self.counts = counted(upstream.get("usage") if isinstance(upstream, dict) else None)

    def whole(self, upstream: Any, hidden_tokens: int) -> bytes:
        reply = self._replies.whole(upstream, self._usage(hidden_tokens))
        self._said = [choice["message"] for choice in reply["choices"]]
        return orjson.dumps(reply)

    def event(self, upstream: Mapping[str, Any]) -> bytes:
        self.counts = counted(upstream.get("usage")) or self.counts
        chunk = self._replies.chunk(upstream)
        if chunk is None:
            return b""
        self.n_pieces += any(_speaks(choice["delta"]) for choice in chunk["choices"])
        if self._assembly is not None:
            self._assembly.add(chunk)
        return sse(chunk)

    def end(self, hidden_tokens: int) -> bytes:
        last = b""
        if self._asked.include_usage:
            last = sse(self._replies.usage_chunk(self._usage(hidden_tokens)))
        return last + b"data: [DONE]\n\n"

    def said(self) -> list[dict[str, Any]]:
        return self._said or (self._assembly.messages() if self._assembly else [])

    def _usage(self, hidden_tokens: int) -> dict[str, Any] | None:
        return shown_usage(self.counts, hidden_tokens) if self.counts else None


def _speaks(delta: Mapping[str, Any]) -> bool:
    return bool(delta.get("content") or delta.get("refusal") or delta.get("tool_calls"))
