"""What a caller is told of its limits: headers on every answer, and refusals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from alpha.gateway.errors import RATE, SERVER, Refusal
from alpha.routing import GrantEntry

Headers = tuple[tuple[bytes, bytes], ...]
REQUESTS, TOKENS = (
    (
        b"x-ratelimit-limit-" + of,
        b"x-ratelimit-remaining-" + of,
        b"x-ratelimit-reset-" + of,
    )
    for of in (b"requests", b"tokens")
)


def rate_headers(grant: GrantEntry, answer: Sequence[Any]) -> Headers:
    """The `x-ratelimit-*` family as OpenAI spells it, for the limits that the grant has."""
    _, left, reset, tokens_left, tokens_reset, _ = answer
    headers: list[tuple[bytes, bytes]] = []
    for names, limit, remaining, milliseconds in (
        (REQUESTS, grant.requests_per_minute, left, reset),
        (TOKENS, grant.tokens_per_minute, tokens_left, tokens_reset),
    ):
        if limit is not None and int(remaining) >= 0:
            told = (b"%d" % limit, b"%d" % int(remaining), _duration(int(milliseconds)).encode())
            headers.extend(zip(names, told, strict=True))
    return tuple(headers)


def _duration(milliseconds: int) -> str:
    """As OpenAI writes it: 120ms, 7s, 6m0s."""
    if milliseconds < 1000:
        return f"{max(0, milliseconds)}ms"
    minutes, seconds = divmod(math.ceil(milliseconds / 1000), 60)
    return f"{minutes}m{seconds}s" if minutes else f"{seconds}s"


def refused(limit: str, grant: GrantEntry, retry_ms: int, rates: Headers) -> Refusal:
    """402 for a spent budget, which the SDKs do not retry; 429 for every other limit."""
    if limit == "budget_micros":
        return Refusal(
            402,
            "insufficient_quota",
            "The budget of this grant does not cover the request. Your contact can raise it.",
            kind="insufficient_quota",
            headers=rates,
        )
    words = limit.replace("_", " ")
    return Refusal(
        429,
        "rate_limit_exceeded",
        f"Rate limit reached: {getattr(grant, limit)} {words}. Try again later.",
        kind=RATE,
        retry_after=max(1, math.ceil(retry_ms / 1000)),
        headers=rates,
    )


def limits_away() -> Refusal:
    """Neither the counters nor what they would be told are at hand."""
    return Refusal(
        503,
        "limits_unavailable",
        "Limits can't be checked at the moment. Try again.",
        kind=SERVER,
        retry_after=2,
    )
