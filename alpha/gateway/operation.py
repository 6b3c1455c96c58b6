"""What an endpoint of `/v1` has of its own; the road of a call is the same for all of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import orjson

from alpha.gateway.errors import Refusal
from alpha.gateway.replies import Counted
from alpha.routing import CheckpointEntry

# What a model is taken to answer where neither the client nor its checkpoint sets an end.
UNBOUNDED_TOKENS = 1024


class Bound(NamedTuple):
    """The most tokens that a call can use; `is_kept` when the request itself says so."""

    tokens_in: int
    tokens_out: int
    is_kept: bool = True


class Operation(ABC):
    """One checked request of one endpoint, and how its answer is built anew while it comes."""

    path: ClassVar[str]
    """Below the upstream's base URL; the endpoint's name in usage events too."""
    opens_with_system: bool = False
    """Whether the client's own text begins with a system message."""
    n_prompts: int = 1
    """How often the hidden prompt goes upstream with it."""
    counts: Counted | None = None
    """The upstream's token counts, once it sent them."""
    n_pieces: int = 0
    """Pieces of text streamed so far: a token each, where the upstream's counts are missing."""
    is_over: bool = False
    """Whether the upstream's stream has told its end."""

    codename: str
    stream: bool
    safety_identifier: str | None
    user: str | None
    forwarded: Mapping[str, Any]
    """What goes upstream of the client's body."""

    @abstractmethod
    def bound(self, checkpoint: CheckpointEntry) -> Bound:
        """The most that it can use at that checkpoint."""

    @abstractmethod
    def composed(self, serving: Mapping[str, Any], upstream_model: str) -> dict[str, Any]:
        """The body to send upstream, given a checkpoint's `serving`."""

    @abstractmethod
    def begin(self, request_hex: str, created: int, *, keeps_text: bool) -> None:
        """Called once it is admitted; `created` in seconds since the epoch."""

    @abstractmethod
    def count(self, upstream: Any) -> None:
        """Take the token counts of an upstream's whole reply."""

    @abstractmethod
    def whole(self, upstream: Any, hidden_tokens: int) -> bytes:
        """The reply for an upstream's; UpstreamFailed when it is none."""

    @abstractmethod
    def said(self) -> list[dict[str, Any]]:
        """What the client was told so far, for a transcript that was consented to."""

    def event(self, upstream: Mapping[str, Any]) -> bytes:
        """The event to send for an upstream's; b"" when it holds nothing for the client."""
        raise NotImplementedError(f"{self.path} is not streamed")

    def done(self) -> None:
        """The upstream sent `[DONE]`."""
        self.is_over = True

    def end(self, hidden_tokens: int) -> bytes:
        """The last events of a stream that went well."""
        raise NotImplementedError(f"{self.path} is not streamed")

    def broken_off(self, refusal: Refusal) -> bytes:
        """The last event of a stream that did not."""
        return b"event: error\ndata: %s\n\n" % orjson.dumps({"error": refusal.fields()})

    @property
    @abstractmethod
    def n_bytes(self) -> int:
        """Size of the client's own text."""


def sse(value: Mapping[str, Any]) -> bytes:
    """One server-sent event without a name."""
    return b"data: %s\n\n" % orjson.dumps(value)
