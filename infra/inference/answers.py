"""From an upstream's bytes to a completion or a named failure, the same for every client."""

from __future__ import annotations

import email.utils
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from infra.inference.contract import TIMED_OUT, CallFailed, Completion

RETRYABLE_STATUSES = frozenset({408, 409, 425, 429})
SHOWN_CHARACTERS = 300
# OpenAI's code of a 429 that no waiting helps.
NO_MONEY = b'"insufficient_quota"'


def completion(content: bytes, latency_ms: float, n_calls: int) -> Completion:
    """The chat completion in those bytes; CallFailed `upstream_malformed` when there is none."""
    try:
        body = _decoded(content)
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
        raise CallFailed("upstream_malformed", message, retryable=True) from error


def _decoded(content: bytes) -> Any:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        # Halves of surrogate pairs are no UTF-8, but models do send them, escaped.
        return json.loads(content)


def _typed(value: Any, wanted: type, name: str) -> Any:
    """The value when it is of the type or null; TypeError naming the field otherwise."""
    if value is None or (isinstance(value, wanted) and not isinstance(value, bool)):
        return value
    raise TypeError(f"{name} is {type(value).__name__}, not {wanted.__name__}")


def refused(status: int, headers: Mapping[str, str], content: bytes) -> CallFailed:
    """The failure of an answer that is not 2xx.

    `x-should-retry`, where it is `true` or `false`, is the upstream's own word on calling again.
    """
    asked = headers.get("x-should-retry")
    passing = (status >= 500 or status in RETRYABLE_STATUSES) and NO_MONEY not in content
    retryable = asked == "true" if asked in ("true", "false") else passing
    said = content[: 4 * SHOWN_CHARACTERS].decode("utf-8", "replace")[:SHOWN_CHARACTERS]
    return CallFailed(
        f"upstream_{status}",
        f"The upstream answered {status}: {said}",
        retryable=retryable,
        retry_after_s=retry_after_s(headers) if passing or retryable else None,
    )


def timed_out() -> CallFailed:
    """The upstream was reached, and no answer came in the time that a call may take."""
    message = "The upstream did not answer in time."
    return CallFailed(TIMED_OUT, message, retryable=True)


def unreachable(cause: BaseException) -> CallFailed:
    """No connection, or one that broke before the answer was whole."""
    message = f"The upstream could not be reached: {cause}."
    return CallFailed("upstream_unreachable", message, retryable=True)


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
