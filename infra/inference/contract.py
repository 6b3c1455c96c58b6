"""What asking an upstream means here, whichever client carries the call."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from infra.errors import UpstreamError


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """One answer as the upstream gave it."""

    text: str
    tool_calls: Sequence[Mapping[str, Any]]
    finish_reason: str | None
    """The upstream's own; `refusal` when the message carries a refusal."""
    tokens_in: int | None
    tokens_out: int | None
    tokens_cached: int | None
    latency_ms: float
    """Of the call that answered, without earlier ones and waits."""
    n_calls: int
    """Calls that were made for it, failed ones included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How long a failing call is tried again."""

    most_calls: int = 6
    first_wait_s: float = 0.25
    longest_wait_s: float = 8.0
    within_s: float = 40.0
    """No wait starts that would end later than this after the first call began."""
    again_after_timeout: bool = True
    """Whether a call is repeated whose answer was not there in time."""
    outlasts_throttling: bool = False
    """Whether throttled calls are repeated beyond `most_calls` and `within_s`, as long as the
    upstream answers others: it takes fewer calls than are made, which is no fault of this one."""

    def wait_s(self, n_calls: int, retry_after_s: float | None) -> float:
        """Seconds until the next call: what the upstream asks for, else exponential with jitter."""
        if retry_after_s is not None:
            return retry_after_s
        ceiling = min(self.longest_wait_s, self.first_wait_s * 2.0 ** (n_calls - 1))
        return ceiling * (0.5 + random.random() / 2)  # noqa: S311  jitter, not a secret


class CompletionFailed(UpstreamError):
    """No answer after every call that the policy allows."""

    def __init__(self, last: UpstreamError, n_calls: int) -> None:
        times = "once" if n_calls == 1 else f"{n_calls} times"
        super().__init__(last.code, f"{last.message} (called {times})", retryable=last.retryable)
        self.n_calls = n_calls


TIMED_OUT = "upstream_timeout"
"""Code of a failure whose upstream was reached, and whose answer was not there in time."""


CONNECT_S = 10.0


def connect_s(timeout_s: float) -> float:
    """Seconds in which an upstream that is there takes a connection, of a call's whole time."""
    return min(CONNECT_S, 0.9 * timeout_s)


class CallFailed(UpstreamError):
    """One call failed; `retry_after_s` is what the upstream asked for."""

    def __init__(
        self, code: str, message: str, *, retryable: bool, retry_after_s: float | None = None
    ) -> None:
        super().__init__(code, message, retryable=retryable)
        self.retry_after_s = retry_after_s


class Ending(StrEnum):
    """How one call ended, as far as the pace of calls is concerned."""

    ANSWERED = "answered"
    """The upstream answered, well or badly."""
    THROTTLED = "throttled"
    """It said that there are too many calls (429, or 503 with a time to wait)."""
    FAILED = "failed"
    """It broke or could not be reached, which says nothing of its limit."""


# An upstream that answered nobody for so long is taken to be closed. More than a minute, since
# quotas are often those of a minute.
LONGEST_SILENCE_S = 75.0
# Nor is one waited for that asks for more than this.
LONGEST_WAIT_S = 90.0


class Pace(Protocol):
    """Decides when a call may begin; a client asks before each call, the repeated ones included."""

    async def enter(self) -> Any:
        """Wait for a place; what `leave` is to be given."""

    def leave(self, place: Any, ending: Ending, retry_after_s: float | None) -> None:
        """The call has ended so; with the seconds that the upstream asked to wait."""

    def silent_s(self) -> float:
        """Seconds for which throttled calls were all that came back; 0 after an answer."""


class ChatClient(Protocol):
    """What the eval runner asks of an upstream."""

    async def complete(self, body: Mapping[str, Any]) -> Completion:
        """The answer; CompletionFailed when there is none."""

    async def close(self) -> None:
        """Close every connection."""
