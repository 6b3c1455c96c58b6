"""Chat completions from any OpenAI-compatible upstream, with this project's own retries.

Two clients of one protocol: `FastClient` (aiohttp and orjson) for the runner, `OpenAIClient` (the
`openai` SDK) where an option needs it. Failures come out as `UpstreamError` with the same codes; an
answer always has the shape of `Completion`.
"""

from __future__ import annotations

import urllib.request
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from infra.inference.answers import retry_after_s
from infra.inference.contract import (
    LONGEST_SILENCE_S,
    LONGEST_WAIT_S,
    TIMED_OUT,
    ChatClient,
    Completion,
    CompletionFailed,
    Ending,
    Pace,
    RetryPolicy,
)
from infra.inference.fast import FastClient

if TYPE_CHECKING:
    from infra.inference.sdk import OpenAIClient

__all__ = [
    "LONGEST_SILENCE_S",
    "LONGEST_WAIT_S",
    "TIMED_OUT",
    "ChatClient",
    "Completion",
    "CompletionFailed",
    "Ending",
    "FastClient",
    "Pace",
    "RetryPolicy",
    "chat_client",
    "retry_after_s",
]


def chat_client(
    *,
    base_url: str,
    secret: str = "",
    timeout_s: float = 120.0,
    retry: RetryPolicy | None = None,
    pace: Pace | None = None,
) -> ChatClient:
    """The client for that upstream: the fast one, or the SDK's where a proxy stands between."""
    kind: type[FastClient | OpenAIClient] = FastClient
    if _needs_proxy(base_url):
        from infra.inference.sdk import OpenAIClient  # heavy: only where it is needed

        kind = OpenAIClient
    return kind(base_url=base_url, secret=secret, timeout_s=timeout_s, retry=retry, pace=pace)


def _needs_proxy(base_url: str) -> bool:
    """Whether the environment (`HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`) names a proxy for it."""
    parts = urlsplit(base_url)
    proxies = urllib.request.getproxies()
    named = proxies.get(parts.scheme) or proxies.get("all")
    return bool(named) and not urllib.request.proxy_bypass(parts.netloc)
