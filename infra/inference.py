"""Chat completions from any OpenAI-compatible upstream, with this project's own retries.

The `openai` SDK carries the call; its own retries are off, so that every call is counted and the
bound is ours. Failures come out as `UpstreamError`; an answer always has the shape of `Completion`.
"""

from __future__ import annotations

import asyncio
import email.utils
import json
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import openai
from openai import AsyncOpenAI

from infra.errors import UpstreamError

# The SDK wants a key; upstreams without one ignore it.
NO_SECRET = "none"  # noqa: S105
RETRYABLE_STATUSES = frozenset({408, 409, 425, 429})
SHOWN_CHARACTERS = 300


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

    def wait_s(self, n_calls: int, retry_after_s: float | None) -> float:
        """Seconds until the next call: what the upstream asks for, else exponential with jitter."""
        if retry_after_s is not None:
            return retry_after_s
        ceiling = min(self.longest_wait_s, self.first_wait_s * 2 ** (n_calls - 1))
        return ceiling * (0.5 + random.random() / 2)  # noqa: S311  jitter, not a secret


class CompletionFailed(UpstreamError):
    """No answer after every call that the policy allows."""

    def __init__(self, last: UpstreamError, n_calls: int) -> None:
        times = "once" if n_calls == 1 else f"{n_calls} times"
        super().__init__(last.code, f"{last.message} (called {times})", retryable=last.retryable)
        self.n_calls = n_calls


class ChatClient(Protocol):
    """What the eval runner asks of an upstream."""

    async def complete(self, body: Mapping[str, Any]) -> Completion:
        """The answer; CompletionFailed when there is none."""

    async def close(self) -> None:
        """Close every connection."""


class OpenAIClient:
    """Chat completions of one upstream through the `openai` SDK."""

    def __init__(
        self,
        *,
        base_url: str,
        secret: str = "",
        timeout_s: float = 120.0,
        retry: RetryPolicy | None = None,
    ) -> None:
        self._retry = retry or RetryPolicy()
        self._sdk = AsyncOpenAI(
            base_url=base_url, api_key=secret or NO_SECRET, max_retries=0, timeout=timeout_s
        )

    async def complete(self, body: Mapping[str, Any]) -> Completion:
        """The answer; CompletionFailed when the policy's calls are spent or the error is final."""
        began, n_calls = time.monotonic(), 0
        while True:
            n_calls += 1
            try:
                return await self._call(body, n_calls)
            except _CallFailed as failure:
                wait_s = self._retry.wait_s(n_calls, failure.retry_after_s)
                spent_s = time.monotonic() - began
                over = n_calls >= self._retry.most_calls or spent_s + wait_s > self._retry.within_s
                if over or not failure.retryable:
                    raise CompletionFailed(failure, n_calls) from failure
            await asyncio.sleep(wait_s)

    async def close(self) -> None:
        """Close every connection."""
        await self._sdk.close()

    async def _call(self, body: Mapping[str, Any], n_calls: int) -> Completion:
        rest = {key: value for key, value in body.items() if key not in {"model", "messages"}}
        began = time.monotonic()
        try:
            response = await self._sdk.chat.completions.with_raw_response.create(
                model=body["model"], messages=body["messages"], extra_body=rest
            )
        except openai.APIStatusError as error:
            raise _refused(error) from error
        except openai.APITimeoutError as error:
            message = "The upstream did not answer in time."
            raise _CallFailed("upstream_timeout", message, retryable=True) from error
        except openai.APIConnectionError as error:
            cause = error.__cause__ or error
            message = f"The upstream could not be reached: {cause}."
            raise _CallFailed("upstream_unreachable", message, retryable=True) from error
        return _completion(response.content, (time.monotonic() - began) * 1000, n_calls)


class _CallFailed(UpstreamError):
    """One call failed; `retry_after_s` is what the upstream asked for."""

    def __init__(
        self, code: str, message: str, *, retryable: bool, retry_after_s: float | None = None
    ) -> None:
        super().__init__(code, message, retryable=retryable)
        self.retry_after_s = retry_after_s


def _refused(error: openai.APIStatusError) -> _CallFailed:
    status = error.status_code
    retryable = status >= 500 or status in RETRYABLE_STATUSES
    said = error.response.text[:SHOWN_CHARACTERS]
    return _CallFailed(
        f"upstream_{status}",
        f"The upstream answered {status}: {said}",
        retryable=retryable,
        retry_after_s=retry_after_s(error.response.headers) if retryable else None,
    )


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds that `Retry-After-Ms` or `Retry-After` (a number or a date) asks for, else None."""
    for name, unit_s in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            return max(0.0, float(headers[name]) * unit_s)
        except (KeyError, ValueError):
            continue
    try:
        moment = email.utils.parsedate_to_datetime(headers["retry-after"])
    except (KeyError, ValueError):
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (aware - datetime.now(UTC)).total_seconds())


def _completion(content: bytes, latency_ms: float, n_calls: int) -> Completion:
    try:
        body = json.loads(content)
        choice = body["choices"][0]
        message = choice["message"]
        text, tools = message.get("content"), message.get("tool_calls")
        refusal, finish_reason = message.get("refusal"), choice.get("finish_reason")
        usage = body.get("usage") or {}
        details = usage.get("prompt_tokens_details") or {}
        return Completion(
            text=_typed(text, str, "content") or _typed(refusal, str, "refusal") or "",
            tool_calls=tuple(_typed(tools, list, "tool_calls") or ()),
            finish_reason="refusal" if refusal else _typed(finish_reason, str, "finish_reason"),
            tokens_in=_typed(usage.get("prompt_tokens"), int, "prompt_tokens"),
            tokens_out=_typed(usage.get("completion_tokens"), int, "completion_tokens"),
            tokens_cached=_typed(details.get("cached_tokens"), int, "cached_tokens"),
            latency_ms=latency_ms,
            n_calls=n_calls,
        )
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
        shown = content[:SHOWN_CHARACTERS].decode("utf-8", "replace")
        message = f"The upstream's answer is no chat completion ({error!r}): {shown}"
        raise _CallFailed("upstream_malformed", message, retryable=True) from error


def _typed(value: Any, wanted: type, name: str) -> Any:
    """The value when it is of the type or null; TypeError naming the field otherwise."""
    if value is None or (isinstance(value, wanted) and not isinstance(value, bool)):
        return value
    raise TypeError(f"{name} is {type(value).__name__}, not {wanted.__name__}")
