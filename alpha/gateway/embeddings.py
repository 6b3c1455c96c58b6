"""`POST /v1/embeddings`: what it has of its own."""

from __future__ import annotations

import base64
import binascii
from array import array
from collections.abc import Mapping
from typing import Any

import orjson

from alpha.gateway.errors import Failure, UpstreamFailed
from alpha.gateway.fields import WHO, Fields, checked, is_int, is_one_of, is_text_or_texts
from alpha.gateway.operation import Bound, Operation
from alpha.gateway.replies import Counted, counted
from alpha.routing import CheckpointEntry
from releases.serving import ServingDefaults, compose_embedding

FLOAT_BYTES = 4
MOST_TOKENS = 300_000


def _is_tokens(value: Any) -> bool:
    return (
        isinstance(value, list)
        and 0 < len(value) <= MOST_TOKENS
        and all(isinstance(token, int) and not isinstance(token, bool) for token in value)
    )


def _is_input(value: Any) -> bool:
    if is_text_or_texts(value) or _is_tokens(value):
        return bool(value)
    return isinstance(value, list) and 0 < len(value) <= 2048 and all(map(_is_tokens, value))


FORWARDED: Fields = {
    "input": ("text, tokens, or a list of 1 to 2,048 of either", _is_input),
    "encoding_format": ("`float` or `base64`", is_one_of("float", "base64")),
    "dimensions": ("a whole number of at least 1", is_int(1, 2**20)),
}
KNOWN: Fields = {**FORWARDED, **WHO}


class Embedding(Operation):
    """One list of texts turned into vectors."""

    path = "embeddings"
    stream = False

    def __init__(self, body: Mapping[str, Any]) -> None:
        given = checked(body, KNOWN, ("model", "input"))
        self.codename = given["model"]
        self.safety_identifier, self.user = given.get("safety_identifier"), given.get("user")
        self.forwarded = {name: value for name, value in given.items() if name in FORWARDED}
        asked = given["input"]
        is_one = isinstance(asked, str) or _is_tokens(asked)
        self._n_inputs = 1 if is_one else len(asked)
        self._as_base64 = given.get("encoding_format") == "base64"

    def bound(self, checkpoint: CheckpointEntry) -> Bound:
        # What a tokenizer puts before and after each text.
        return Bound(tokens_in=self.n_bytes + 2 * self._n_inputs, tokens_out=0)

    @property
    def n_bytes(self) -> int:
        return len(orjson.dumps(self.forwarded["input"]))

    def composed(self, serving: Mapping[str, Any], upstream_model: str) -> dict[str, Any]:
        defaults = ServingDefaults.from_row(serving)
        return compose_embedding(defaults, upstream_model, self.forwarded)

    def begin(self, request_hex: str, created: int, *, keeps_text: bool) -> None:
        """A list of vectors has neither an id nor a time."""

    def count(self, upstream: Any) -> None:
        usage = upstream.get("usage") if isinstance(upstream, dict) else None
        if isinstance(usage, dict):
            self.counts = counted({**usage, "completion_tokens": 0})

    def whole(self, upstream: Any, hidden_tokens: int) -> bytes:
        data = upstream.get("data") if isinstance(upstream, dict) else None
        if not isinstance(data, list) or len(data) != self._n_inputs:
            raise UpstreamFailed(Failure.MALFORMED, f"not {self._n_inputs} vectors")
        vectors: dict[int, Any] = {}
        for place, entry in enumerate(data):
            index = entry.get("index", place) if isinstance(entry, dict) else None
            if type(index) is not int or not 0 <= index < self._n_inputs or index in vectors:
                raise UpstreamFailed(Failure.MALFORMED, "a vector has no index of its own")
            vectors[index] = self._vector(entry.get("embedding"))
        return orjson.dumps(
            {
                "object": "list",
                "data": [
                    {"object": "embedding", "index": index, "embedding": vectors[index]}
                    for index in sorted(vectors)
                ],
                "model": self.codename,
                "usage": _shown(self.counts),
            }
        )

    def said(self) -> list[dict[str, Any]]:
        return []

    def _vector(self, value: Any) -> list[float] | str:
        """As the client asked for it, whichever form the upstream knows."""
        try:
            if isinstance(value, str):
                raw = base64.b64decode(value, validate=True)
                if not raw or len(raw) % FLOAT_BYTES:
                    raise ValueError("not whole floats")
                return value if self._as_base64 else array("f", raw).tolist()
            if not isinstance(value, list) or not value:
                raise TypeError("neither a list nor base64")
            numbers = array("f", value)
        except (TypeError, ValueError, OverflowError, binascii.Error) as error:
            raise UpstreamFailed(Failure.MALFORMED, "a vector is not of numbers") from error
        return base64.b64encode(numbers.tobytes()).decode() if self._as_base64 else value


def _shown(counts: Counted | None) -> dict[str, int] | None:
    if counts is None:
        return None
    return {"prompt_tokens": counts.tokens_in, "total_tokens": counts.tokens_in}
