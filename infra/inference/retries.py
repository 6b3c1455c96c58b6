"""Calls made again, counted and bounded; the one loop of every client."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from infra.inference.contract import (
    TIMED_OUT,
    CallFailed,
    Completion,
    CompletionFailed,
    Ending,
    Pace,
    RetryPolicy,
)

Call = Callable[[int], Awaitable[Completion]]


class NoPace:
    """Every call begins at once."""

    async def enter(self) -> int:
        return 0

    def leave(self, token: int, ending: Ending, retry_after_s: float | None) -> None:
        return


async def complete(call: Call, retry: RetryPolicy, pace: Pace) -> Completion:
    """The answer; CompletionFailed when the policy's calls are spent or the error is final.

    `call` is given which call of how many it is. No place in the pace is held during a wait, and
    standing in line for one is not counted against the policy's time.
    """
    spent_s, n_calls = 0.0, 0
    while True:
        n_calls += 1
        token = await pace.enter()
        began = time.monotonic()
        try:
            return await _paced(call, n_calls, pace, token)
        except CallFailed as failure:
            wait_s = retry.wait_s(n_calls, failure.retry_after_s)
            spent_s += time.monotonic() - began
            over = n_calls >= retry.most_calls or spent_s + wait_s > retry.within_s
            if over or not _is_repeatable(failure, retry):
                raise CompletionFailed(failure, n_calls) from failure
        await asyncio.sleep(wait_s)
        spent_s += wait_s


def _is_repeatable(failure: CallFailed, retry: RetryPolicy) -> bool:
    return failure.retryable and (retry.again_after_timeout or failure.code != TIMED_OUT)


async def _paced(call: Call, n_calls: int, pace: Pace, token: int) -> Completion:
    ending, asked_s = Ending.FAILED, None
    try:
        answer = await call(n_calls)
        ending = Ending.ANSWERED
        return answer
    except CallFailed as failure:
        ending, asked_s = _ending(failure), failure.retry_after_s
        raise
    finally:
        pace.leave(token, ending, asked_s)


def _ending(failure: CallFailed) -> Ending:
    if failure.code == "upstream_429":
        return Ending.THROTTLED
    if failure.code in ("upstream_503", "upstream_529") and failure.retry_after_s is not None:
        return Ending.THROTTLED
    return Ending.FAILED
