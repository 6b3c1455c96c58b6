"""What a client is sent: built anew from allow-listed fields, whatever the upstream put in."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from alpha.gateway.errors import Failure, UpstreamFailed

# Where a usage object has its counts: in, out, details of either.
CHAT_COUNTS = (
    *("prompt_tokens", "completion_tokens"),
    *("prompt_tokens_details", "completion_tokens_details"),
)
RESPONSE_COUNTS = (
    *("input_tokens", "output_tokens"),
    *("input_tokens_details", "output_tokens_details"),
)
FINISHES = frozenset({"stop", "length", "tool_calls", "content_filter", "function_call"})
LOGPROB_FIELDS = ("token", "logprob", "bytes")


class Counted(NamedTuple):
    """Token counts as the upstream gave them."""

    tokens_in: int
    tokens_out: int
    cached: int = 0
    reasoning: int | None = None


def counted(usage: Any, names: Sequence[str] = CHAT_COUNTS) -> Counted | None:
    """The counts of an upstream's `usage`; None when there are none, or none to be trusted."""
    if not isinstance(usage, dict):
        return None
    name_in, name_out, details_in, details_out = names
    tokens_in, tokens_out = _count(usage, name_in), _count(usage, name_out)
    if tokens_in is None or tokens_out is None:
        return None
    return Counted(
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        cached=min(_count(usage.get(details_in), "cached_tokens") or 0, tokens_in),
        reasoning=_count(usage.get(details_out), "reasoning_tokens"),
    )


def _count(holder: Any, name: str) -> int | None:
    value = holder.get(name) if isinstance(holder, dict) else None
    fits = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**62
    return value if fits else None


def shown_usage(counts: Counted, hidden_tokens: int) -> dict[str, Any]:
    """The counts as the partner sees them: less what the hidden prompt added."""
    tokens_in = max(0, counts.tokens_in - hidden_tokens)
    usage: dict[str, Any] = {
        "prompt_tokens": tokens_in,
        "completion_tokens": counts.tokens_out,
        "total_tokens": tokens_in + counts.tokens_out,
        "prompt_tokens_details": {"cached_tokens": max(0, counts.cached - hidden_tokens)},
    }
    if counts.reasoning is not None:
        usage["completion_tokens_details"] = {"reasoning_tokens": counts.reasoning}
    return usage


class ChatReplies:
    """Builds the reply or the chunks of one request."""

    __slots__ = ("_head", "_id", "_logprobs", "_usage_in_chunks")

    def __init__(
        self, request_hex: str, created: int, codename: str, *, logprobs: bool, usage: bool
    ) -> None:
        self._id = f"chatcmpl-{request_hex}"
        self._head = {"id": self._id, "created": created, "model": codename}
        self._logprobs, self._usage_in_chunks = logprobs, usage

    def whole(self, upstream: Any, usage: dict[str, Any] | None) -> dict[str, Any]:
        """The reply for an upstream's chat completion; UpstreamFailed when it is none."""
        choices = upstream.get("choices") if isinstance(upstream, dict) else None
        if not isinstance(choices, list) or not choices:
            raise UpstreamFailed(Failure.MALFORMED, "the reply has no choices")
        return {
            **self._head,
            "object": "chat.completion",
            "choices": [self._choice(choice, "message") for choice in choices],
            "usage": usage,
            "system_fingerprint": None,
        }

    def chunk(self, upstream: Mapping[str, Any]) -> dict[str, Any] | None:
        """The chunk for an upstream's; None when it holds nothing for the client."""
        choices = upstream.get("choices")
        if not choices:
            return None
        if not isinstance(choices, list):
            raise UpstreamFailed(Failure.MALFORMED, "a chunk's choices are no list")
        return self._chunk([self._choice(choice, "delta") for choice in choices], None)

    def usage_chunk(self, usage: dict[str, Any] | None) -> dict[str, Any]:
        """The last chunk of a stream whose client asked for usage."""
        return self._chunk([], usage)

    def _chunk(self, choices: list[dict[str, Any]], usage: Any) -> dict[str, Any]:
        built = {
            **self._head,
            "object": "chat.completion.chunk",
            "choices": choices,
            "system_fingerprint": None,
        }
        if self._usage_in_chunks:
            built["usage"] = usage
        return built

    def _choice(self, choice: Any, part: str) -> dict[str, Any]:
        said = choice.get(part) if isinstance(choice, dict) else None
        index = choice.get("index", 0) if isinstance(choice, dict) else None
        if said is None and part == "delta":
            said = {}
        if not isinstance(said, dict) or type(index) is not int:
            raise UpstreamFailed(Failure.MALFORMED, f"a choice has no {part}")
        finish = choice.get("finish_reason")
        if finish is not None and not (isinstance(finish, str) and finish in FINISHES):
            finish = "stop"
        build = self._message if part == "message" else self._delta
        return {
            "index": index,
            part: build(said, index),
            "logprobs": _logprobs(choice.get("logprobs")) if self._logprobs else None,
            "finish_reason": finish,
        }

    def _message(self, said: Mapping[str, Any], index: int) -> dict[str, Any]:
        built: dict[str, Any] = {
            "role": "assistant",
            "content": _text(said.get("content")),
            "refusal": _text(said.get("refusal")),
        }
        return {**built, **self._calls(said, index, streamed=False)}

    def _delta(self, said: Mapping[str, Any], index: int) -> dict[str, Any]:
        built: dict[str, Any] = {}
        if said.get("role") is not None:
            built["role"] = "assistant"
        for name in ("content", "refusal"):
            if name in said:
                built[name] = _text(said[name])
        return {**built, **self._calls(said, index, streamed=True)}

    def _calls(self, said: Mapping[str, Any], index: int, *, streamed: bool) -> dict[str, Any]:
        built: dict[str, Any] = {}
        calls = said.get("tool_calls")
        if isinstance(calls, list) and calls:
            built["tool_calls"] = [
                self._tool_call(call, index, at, streamed=streamed)
                for at, call in enumerate(calls)
                if isinstance(call, dict)
            ]
        if isinstance(said.get("function_call"), dict):
            built["function_call"] = _function(said["function_call"])
        return built

    def _tool_call(
        self, call: Mapping[str, Any], index: int, at: int, *, streamed: bool
    ) -> dict[str, Any]:
        place = call.get("index") if streamed else at
        place = place if isinstance(place, int) else at
        built: dict[str, Any] = {"index": place} if streamed else {}
        if call.get("id"):
            # The form of an upstream's own ids tells which server it is.
            told = f"{self._id}/{index}/{place}".encode()
            built["id"] = f"call_{hashlib.blake2b(told, digest_size=12).hexdigest()}"
            built["type"] = "function"
        built["function"] = _function(call.get("function"))
        return built


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _function(value: Any) -> dict[str, str]:
    held = value if isinstance(value, dict) else {}
    return {name: held[name] for name in ("name", "arguments") if isinstance(held.get(name), str)}


def _logprobs(value: Any) -> dict[str, Any] | None:
    if not isinstance(value, dict):
        return None
    return {name: _tokens(value.get(name)) for name in ("content", "refusal")}


def _tokens(value: Any) -> list[dict[str, Any]] | None:
    return tokens_of(value) if isinstance(value, list) else None


def tokens_of(values: Any) -> list[dict[str, Any]]:
    """Tokens with their log probabilities, and the likeliest others beside each."""
    return [
        {**_token(value), "top_logprobs": [_token(t) for t in _dicts(value.get("top_logprobs"))]}
        for value in _dicts(values)
    ]


def _dicts(values: Any) -> list[dict[str, Any]]:
    held = values if isinstance(values, list) else []
    return [value for value in held if isinstance(value, dict)]


def _token(value: Mapping[str, Any]) -> dict[str, Any]:
    token, logprob, raw = [value.get(name) for name in LOGPROB_FIELDS]
    fits = isinstance(raw, list) and all(isinstance(byte, int) for byte in raw)
    return {
        "token": token if isinstance(token, str) else "",
        "logprob": logprob if isinstance(logprob, int | float) else None,
        "bytes": raw if fits else None,
    }
