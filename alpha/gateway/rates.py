"""What a caller is told of its limits: headers on every answer, and refusals."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterable, Sequence

from alpha.gateway.errors import RATE, SERVER, Refusal
from alpha.gateway.scopes import Scope

Headers = tuple[tuple[bytes, bytes], ...]
Found = tuple[int, float, int]
REQUESTS, TOKENS = (
    (
        b"x-ratelimit-limit-" + of,
        b"x-ratelimit-remaining-" + of,
        b"x-ratelimit-reset-" + of,
    )
    for of in (b"requests", b"tokens")
)
# Stands for "no limit": the largest whole number that every JSON reader keeps.
ENDLESS = b"%d" % (2**53 - 1)
NO_REQUEST_LIMIT, NO_TOKEN_LIMIT = (
    tuple(zip(names, (ENDLESS, ENDLESS, b"0s"), strict=True)) for names in (REQUESTS, TOKENS)
)
UNLIMITED: Headers = (*NO_REQUEST_LIMIT, *NO_TOKEN_LIMIT)
# Before the counters answered once, nothing is let in; after so many seconds they are asked again.
AGAIN_S = 2.0
UNKNOWN = (-1, 0.0, -1, 0.0)
BUDGETS = {
    "budget_micros": "budget",
    "budget_micros_per_day": "budget of a day",
    "tokens_total": "tokens in all",
}


class Rates:
    """What this worker heard last of each scope's minute."""

    def __init__(self, seconds: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._heard: dict[str, tuple[int, float, int, float]] = {}
        """Requests left, when the oldest leaves; tokens left, when the minute ends."""

    def hear(self, scopes: Sequence[Scope], numbers: Sequence[int], to_next_minute: int) -> None:
        """Of each scope: requests left, ms to their reset, tokens left; -1 without a limit."""
        now = self._seconds()
        minute_ends_at = now + to_next_minute / 1000
        for at, scope in enumerate(scopes):
            left, reset, tokens = numbers[3 * at : 3 * at + 3]
            self._heard[scope.name] = (left, now + reset / 1000, tokens, minute_ends_at)

    def forget_all_but(self, names: Collection[str]) -> None:
        """Scopes without limits are not spoken of again."""
        self._heard = {name: heard for name, heard in self._heard.items() if name in names}

    def headers(self, scopes: Iterable[Scope]) -> Headers:
        """The `x-ratelimit-*` family as OpenAI spells it: of each kind the limit with least left.

        As last heard, with resets moved on to now.
        """
        requests: Found | None = None
        tokens: Found | None = None
        now = self._seconds()
        for scope in scopes:
            left, reset_at, tokens_left, tokens_reset_at = self._heard.get(scope.name, UNKNOWN)
            if (limit := scope.quotas.requests_per_minute) is not None:
                found = _found(left, reset_at - now, limit)
                requests = found if requests is None else min(requests, found)
            if (limit := scope.quotas.tokens_per_minute) is not None:
                found = _found(tokens_left, tokens_reset_at - now, limit)
                tokens = found if tokens is None else min(tokens, found)
        return (
            *(NO_REQUEST_LIMIT if requests is None else _told(REQUESTS, requests)),
            *(NO_TOKEN_LIMIT if tokens is None else _told(TOKENS, tokens)),
        )


def _found(left: int, reset_s: float, limit: int) -> Found:
    """Comparable: less left is tighter, then the later reset."""
    if left < 0:
        return (0, -AGAIN_S, limit)
    return (left if left < limit else limit, -reset_s, limit)


def _told(names: tuple[bytes, ...], found: Found) -> Headers:
    left, less_reset_s, limit = found
    limit_name, left_name, reset_name = names
    return (
        (limit_name, b"%d" % limit),
        (left_name, b"%d" % left),
        (reset_name, _duration(-less_reset_s)),
    )


def _duration(seconds: float) -> bytes:
    """As OpenAI writes it: 120ms, 7s, 6m0s."""
    if seconds < 1:
        return b"%dms" % (seconds * 1000) if seconds > 0 else b"0s"
    whole = math.ceil(seconds)
    return b"%dm%ds" % divmod(whole, 60) if whole >= 60 else b"%ds" % whole


def refused(scope: Scope, limit: str, retry_ms: int, rates: Headers) -> Refusal:
    """402 for a spent budget, which the SDKs do not retry; 429 for every other limit."""
    if limit in BUDGETS:
        anew = " It begins anew at 0:00 UTC." if limit == "budget_micros_per_day" else ""
        return Refusal(
            402,
            "insufficient_quota",
            f"The {BUDGETS[limit]} of this {scope.of} can't cover the request.{anew}"
            " Your contact can raise it.",
            kind="insufficient_quota",
            rates=rates,
        )
    words = limit.replace("_", " ")
    return Refusal(
        429,
        "rate_limit_exceeded",
        f"Rate limit reached: {getattr(scope.quotas, limit)} {words} for this {scope.of}."
        " Try again later.",
        kind=RATE,
        retry_after=max(1, math.ceil(retry_ms / 1000)),
        rates=rates,
    )


def limits_away(rates: Headers = ()) -> Refusal:
    """Neither the counters nor what they would be told are at hand."""
    return Refusal(
        503,
        "limits_unavailable",
        "Limits can't be checked at the moment. Try again.",
        kind=SERVER,
        retry_after=2,
        rates=rates,
    )
