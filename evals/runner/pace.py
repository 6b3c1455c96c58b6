"""How many calls an endpoint takes at once, found together by every worker that calls it.

Additive increase, multiplicative decrease (Chiu and Jain 1989), kept in Valkey: every worker looks
ten times a second, tells what it saw and takes its share by demand. A call costs no round trip.
Without Valkey the run's own concurrency holds.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import uuid4

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from evals.pace_changes import PaceSeen
from infra import clock
from infra.inference import Ending

log = logging.getLogger(__name__)
SCRIPT = (Path(__file__).parent / "pace.lua").read_text(encoding="utf-8")
LOOK_S = 0.1
AWAY_LOOK_S = 1.0
PATIENCE_S = 1.0
# What a new endpoint is trusted with; twice as much each time that many calls were answered.
FIRST_LIMIT = 16
LONGEST_HOLD_S = 60.0
OUT_OF_REACH = (RedisError, OSError, TimeoutError)
NONE_THROTTLED = -1


class SharedPace:
    """One shard's places at an endpoint, at most `own`, on one event loop."""

    def __init__(self, *, endpoint: str, redis_url: str, own: int) -> None:
        self._endpoint, self._own = endpoint, own
        self._key = f"slipway:pace:{hashlib.sha256(endpoint.encode()).hexdigest()[:32]}"
        self._worker = uuid4().hex
        self._redis: Redis = Redis.from_url(
            redis_url,
            socket_timeout=PATIENCE_S,
            socket_connect_timeout=PATIENCE_S,
            retry=Retry(NoBackoff(), 0),
            decode_responses=True,
        )
        self._script = self._redis.register_script(SCRIPT)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._allowed, self._epoch = min(own, FIRST_LIMIT), 0
        self._n_inside = self._n_answered = self._n_told = self._most_inside = 0
        self._throttled = NONE_THROTTLED
        self._look_at = self._hold_until = 0.0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._is_away = False
        self._changes: deque[PaceSeen] = deque()

    def taken(self) -> list[PaceSeen]:
        """The changes since the last time this was asked."""
        return [self._changes.popleft() for _ in range(len(self._changes))]

    async def enter(self) -> int:
        """Wait for a place and for what the upstream asked; the token is the limit's epoch."""
        self._loop = self._loop or asyncio.get_running_loop()
        while self._n_inside >= self._allowed or time.monotonic() < self._hold_until:
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            await waiter
        self._n_inside += 1
        self._most_inside = max(self._most_inside, self._n_inside)
        return self._epoch

    def leave(self, token: int, ending: Ending, retry_after_s: float | None) -> None:
        """Free the place; a throttled call holds everybody for as long as the upstream asked."""
        self._n_inside -= 1
        if ending is Ending.ANSWERED:
            self._n_answered += 1
        elif ending is Ending.THROTTLED:
            self._throttled = max(self._throttled, token)
            self._hold(min(retry_after_s or 0.0, LONGEST_HOLD_S))
        self._wake()

    def look(self) -> None:
        """Tell the shared limit what was seen and take this shard's share of it.

        For the thread that holds the database, which calls it as often as it likes.
        """
        if time.monotonic() < self._look_at or self._loop is None:
            return
        self._look_at = time.monotonic() + LOOK_S
        try:
            seen = self._script(keys=[self._key], args=self._told())
        except OUT_OF_REACH as error:
            self._look_at = time.monotonic() + AWAY_LOOK_S
            self._on_loop(self._went_away, error)
        else:
            self._on_loop(self._take, seen)

    def close(self) -> None:
        """Close the connection."""
        self._redis.close()

    def _on_loop(self, act: Callable[..., None], *arguments: object) -> None:
        try:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(act, *arguments)
        except RuntimeError:
            # The calls have ended in between.
            return

    def _told(self) -> tuple[str, int, int, int, int, int]:
        """The script's arguments; what the loop counts only ever grows, so nothing is lost here."""
        wanted = max(self._most_inside, self._n_inside + len(self._waiting))
        self._most_inside = self._n_inside
        answered, self._n_told = self._n_answered - self._n_told, self._n_answered
        wait_ms = max(0, int((self._hold_until - time.monotonic()) * 1000))
        return self._worker, wanted, answered, self._throttled, wait_ms, FIRST_LIMIT

    def _take(self, seen: Sequence[int | str]) -> None:
        milli, share, epoch, wait_ms, n_workers, cause = seen
        if self._is_away:
            log.warning("Valkey is back: calls to %s share one limit again.", self._endpoint)
            self._is_away = False
        self._allowed, self._epoch = min(self._own, int(share)), int(epoch)
        self._hold(int(wait_ms) / 1000)
        if cause:
            self._changes.append(
                PaceSeen(
                    endpoint=self._endpoint,
                    limit=int(milli) / 1000,
                    cause=str(cause),
                    n_workers=int(n_workers),
                    changed_at=clock.now(),
                )
            )
        self._wake()

    def _went_away(self, error: Exception) -> None:
        if not self._is_away:
            log.warning(
                "Valkey does not answer, so calls to %s go by the run's own concurrency of %d: %s",
                *(self._endpoint, self._own, error),
            )
        self._is_away, self._allowed = True, self._own
        self._wake()

    def _hold(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        if seconds > 0 and until > self._hold_until:
            self._hold_until = until
            asyncio.get_running_loop().call_later(seconds + 0.001, self._wake)

    def _wake(self) -> None:
        free = self._allowed - self._n_inside
        while free > 0 and self._waiting and time.monotonic() >= self._hold_until:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                free -= 1
