"""Calls made again, counted and bounded; the one loop of every client."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from infra.inference.contract import (
    LONGEST_SILENCE_S,
    LONGEST_WAIT_S,
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

    def __init__(self) -> None:
        self._silent_since: float | None = None

    async def enter(self) -> None:
        return

    def leave(self, place: None, ending: Ending, retry_after_s: float | None) -> None:
        if ending is Ending.ANSWERED:
            self._silent_since = None
        elif ending is Ending.THROTTLED and self._silent_since is None:
            self._silent_since = time.monotonic()

    def silent_s(self) -> float:
        return 0.0 if self._silent_since is None else time.monotonic() - self._silent_since


class _Spent:
    """What the calls for one answer have used of the policy."""

    def __init__(self, retry: RetryPolicy, pace: Pace) -> None:
        self._retry, self._pace = retry, pace
        self._spent_s = 0.0
        self._n_counted = 0

    def wait_s(self, failure: CallFailed, n_calls: int, took_s: float) -> float | None:
        """Seconds until the next call; None when there is to be none."""
        retry = self._retry
        wait_s = retry.wait_s(n_calls, failure.retry_after_s)
        if not _is_repeatable(failure, retry):
            return None
        if retry.outlasts_throttling and _ending(failure) is Ending.THROTTLED:
            is_closed = self._pace.silent_s() > LONGEST_SILENCE_S
            return None if is_closed or wait_s > LONGEST_WAIT_S else wait_s
        self._n_counted += 1
        self._spent_s += took_s
        if self._n_counted >= retry.most_calls or self._spent_s + wait_s > retry.within_s:
            return None
        self._spent_s += wait_s
        return wait_s


async def complete(call: Call, retry: RetryPolicy, pace: Pace) -> Completion:
    """The answer; CompletionFailed when the policy's calls are spent or the error is final.

    `call` is given which call of how many it is. No place in the pace is held during a wait, and
    standing in line for one is not counted against the policy's time.
    """
    spent, n_calls = _Spent(retry, pace), 0
    while True:
        n_calls += 1
        place = await pace.enter()
        began = time.monotonic()
        try:
            return await _paced(call, n_calls, pace, place)
        except CallFailed as failure:
            wait_s = spent.wait_s(failure, n_calls, time.monotonic() - began)
            if wait_s is None:
                raise CompletionFailed(failure, n_calls) from failure
        await asyncio.sleep(wait_s)


def _is_repeatable(failure: CallFailed, retry: RetryPolicy) -> bool:
    return failure.retryable and (retry.again_after_timeout or failure.code != TIMED_OUT)


async def _paced(call: Call, n_calls: int, pace: Pace, place: Any) -> Completion:
    ending, asked_s = Ending.FAILED, None
    try:
        answer = await call(n_calls)
        ending = Ending.ANSWERED
        return answer
    except CallFailed as failure:
        ending, asked_s = _ending(failure), failure.retry_after_s
        raise
    finally:
        pace.leave(place, ending, asked_s)


def _ending(failure: CallFailed) -> Ending:
    if failure.code == "upstream_429" and failure.retryable:
        return Ending.THROTTLED
    if failure.code in ("upstream_503", "upstream_529") and failure.retry_after_s is not None:
        return Ending.THROTTLED
    return Ending.FAILED
