"""`POST /v1/completions`: what it has of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from alpha.gateway.errors import Failure, UpstreamFailed
from alpha.gateway.fields import (
    KEPT_HERE,
    PENALTIES,
    SAMPLING,
    Fields,
    checked,
    include_usage,
    is_a,
    is_int,
    is_text_or_texts,
)
from alpha.gateway.operation import Bound, Operation, sse
from alpha.gateway.replies import counted, shown_usage
from alpha.routing import CheckpointEntry
from releases.serving import ServingDefaults, compose_completion

# As OpenAI has it where nobody sets an end.
DEFAULT_TOKENS = 16
FINISHES = frozenset({"stop", "length", "content_filter"})
FORWARDED: Fields = {
    # No token ids: they would name the tokenizer, and the checkpoint's own text comes first.
    "prompt": ("a string or a list of 1 to 2,048 strings", is_text_or_texts),
    "suffix": ("a string", is_a(str)),
    "logprobs": ("a whole number from 0 to 5", is_int(0, 5)),
    **SAMPLING,
    **PENALTIES,
}
KNOWN: Fields = {**FORWARDED, **KEPT_HERE}


class Completion(Operation):
    """One plain completion."""

    path = "completions"

    def __init__(self, body: Mapping[str, Any]) -> None:
        given = checked(body, KNOWN, ("model", "prompt"))
        self.codename, self.stream = given["model"], given.get("stream", False)
        self.safety_identifier, self.user = given.get("safety_identifier"), given.get("user")
        self.forwarded = {name: value for name, value in given.items() if name in FORWARDED}
        self._include_usage = include_usage(given.get("stream_options"), self.stream)
        prompt = given["prompt"]
        self.n_prompts = len(prompt) if isinstance(prompt, list) else 1
        self._texts: dict[int, list[str]] = {}
        self._keeps_text = False

    def bound(self, checkpoint: CheckpointEntry) -> Bound:
        limit = min(self._limit(checkpoint.serving), checkpoint.context_window)
        n_answers = self.n_prompts * int(self.forwarded.get("n", 1))
        return Bound(
            # A token that opens each prompt is the tokenizer's.
            tokens_in=self.n_bytes + len(self.forwarded.get("suffix", "")) * 4 + self.n_prompts,
            tokens_out=limit * n_answers,
        )

    @property
    def n_bytes(self) -> int:
        return len(orjson.dumps(self.forwarded["prompt"]))

    def _limit(self, serving: Mapping[str, Any]) -> int:
        default = (serving.get("sampling") or {}).get("max_tokens")
        return int(self.forwarded.get("max_tokens") or default or DEFAULT_TOKENS)

    def composed(self, serving: Mapping[str, Any], upstream_model: str) -> dict[str, Any]:
        body = {**self.forwarded, "max_tokens": self._limit(serving)}
        if self.stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        return compose_completion(ServingDefaults.from_row(serving), upstream_model, body)

    def begin(self, request_hex: str, created: int, *, keeps_text: bool) -> None:
        self._head = {
            "id": f"cmpl-{request_hex}",
            "object": "text_completion",
            "created": created,
            "model": self.codename,
        }
        self._keeps_text = keeps_text

    def count(self, upstream: Any) -> None:
        self.counts = counted(upstream.get("usage") if isinstance(upstream, dict) else None)

    def whole(self, upstream: Any, hidden_tokens: int) -> bytes:
        choices = upstream.get("choices") if isinstance(upstream, dict) else None
        if not isinstance(choices, list) or not choices:
            raise UpstreamFailed(Failure.MALFORMED, "the reply has no choices")
        built = [self._choice(choice) for choice in choices]
        usage = self._usage(hidden_tokens)
        return orjson.dumps(
            {**self._head, "choices": built, "usage": usage, "system_fingerprint": None}
        )

    def event(self, upstream: Mapping[str, Any]) -> bytes:
        self.counts = counted(upstream.get("usage")) or self.counts
        choices = upstream.get("choices")
        if not choices:
            return b""
        if not isinstance(choices, list):
            raise UpstreamFailed(Failure.MALFORMED, "a chunk's choices are no list")
        built = [self._choice(choice) for choice in choices]
        self.n_pieces += any(choice["text"] for choice in built)
        return self._chunk(built, None)

    def end(self, hidden_tokens: int) -> bytes:
        last = self._chunk([], self._usage(hidden_tokens)) if self._include_usage else b""
        return last + b"data: [DONE]\n\n"

    def said(self) -> list[dict[str, Any]]:
        return [
            {"index": index, "text": "".join(pieces)}
            for index, pieces in sorted(self._texts.items())
        ]

    def _usage(self, hidden_tokens: int) -> dict[str, Any] | None:
        return shown_usage(self.counts, hidden_tokens) if self.counts else None

    def _chunk(self, choices: list[dict[str, Any]], usage: dict[str, Any] | None) -> bytes:
        chunk = {**self._head, "choices": choices, "system_fingerprint": None}
        if self._include_usage:
            chunk["usage"] = usage
        return sse(chunk)

    def _choice(self, choice: Any) -> dict[str, Any]:
        index = choice.get("index") if isinstance(choice, dict) else None
        text = choice.get("text") if isinstance(choice, dict) else None
        if not isinstance(index, int) or not isinstance(text, str):
            raise UpstreamFailed(Failure.MALFORMED, "a choice has no index or no text")
        if self._keeps_text:
            self._texts.setdefault(index, []).append(text)
        finish = choice.get("finish_reason")
        if finish is not None and not (isinstance(finish, str) and finish in FINISHES):
            finish = "stop"
        logprobs = choice.get("logprobs") if "logprobs" in self.forwarded else None
        return {
            "text": text,
            "index": index,
            "logprobs": _logprobs(logprobs),
            "finish_reason": finish,
        }


def _logprobs(value: Any) -> dict[str, Any] | None:
    """The tokens and their log probabilities; offsets would tell the length of a hidden text."""
    if not isinstance(value, dict):
        return None
    tops = value.get("top_logprobs")
    return {
        "tokens": _list_of(value.get("tokens"), str),
        "token_logprobs": _list_of(value.get("token_logprobs"), int | float | None),
        "top_logprobs": [_numbers(top) for top in tops] if isinstance(tops, list) else None,
        "text_offset": None,
    }


def _list_of(values: Any, kind: Any) -> list[Any] | None:
    fits = isinstance(values, list) and all(isinstance(value, kind) for value in values)
    return values if fits else None


def _numbers(top: Any) -> dict[str, float] | None:
    if not isinstance(top, dict):
        return None
    return {token: value for token, value in top.items() if isinstance(value, int | float)}
