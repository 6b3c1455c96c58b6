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
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from uuid import uuid4

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from evals.pace_changes import PaceSeen
from infra import clock
from infra.inference import LONGEST_SILENCE_S, LONGEST_WAIT_S, Ending

log = logging.getLogger(__name__)
SCRIPT = (Path(__file__).parent / "pace.lua").read_text(encoding="utf-8")
LOOK_S = 0.1
AWAY_LOOK_S = 1.0
PATIENCE_S = 1.0
# What a new endpoint is trusted with; twice as much each time that many calls were answered.
FIRST_LIMIT = 16
OUT_OF_REACH = (RedisError, OSError, TimeoutError)
NONE_THROTTLED = -1
# So many throttled calls, or a quarter of the share, and no answer to a call that began after the
# first of them: the endpoint refuses everybody for as long as it says.
MANY = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A call that is under way."""

    epoch: int
    """How often the limit had been cut when it began."""
    entered_at: float


@dataclass(slots=True, kw_only=True)
class _Seen:
    """What came back between two looks."""

    n_answered: int = 0
    n_throttled: int = 0
    newest: int = NONE_THROTTLED
    asked_s: float = 0.0

    def throttled(self, place: Place, asked_s: float) -> None:
        self.n_throttled += 1
        self.newest = max(self.newest, place.epoch)
        self.asked_s = max(self.asked_s, asked_s)

    def as_arguments(self) -> tuple[int, int, int, int]:
        return self.n_answered, self.n_throttled, self.newest, int(self.asked_s * 1000)


class _Doubt:
    """Whether the endpoint takes fewer calls, or none at all for a while.

    An endpoint with a limit on calls at once answers those that began after a throttled one; one
    whose quota is spent answers none.
    """

    def __init__(self) -> None:
        self._n_throttled = 0
        self._since: float | None = None
        self._answered_at = 0.0

    def answered(self, place: Place) -> None:
        self._answered_at = time.monotonic()
        if self._since is not None and place.entered_at >= self._since:
            self._n_throttled, self._since = 0, None

    def throttled(self, place: Place) -> int:
        """How many calls in a row were throttled, the later ones begun after the first."""
        if self._since is None:
            self._since = time.monotonic()
            self._n_throttled = 1
        elif place.entered_at >= self._since:
            self._n_throttled += 1
        return self._n_throttled

    def lasts_s(self) -> float:
        if self._since is None:
            return 0.0
        return time.monotonic() - max(self._since, self._answered_at)


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
        self._share = self._allowed = min(own, FIRST_LIMIT)
        self._epoch = self._n_inside = self._most_inside = 0
        self._seen = _Seen()
        self._doubt = _Doubt()
        self._look_at = self._hold_until = 0.0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._is_away = False
        self._changes: deque[PaceSeen] = deque()

    def taken(self) -> list[PaceSeen]:
        """The changes since the last time this was asked."""
        return [self._changes.popleft() for _ in range(len(self._changes))]

    async def enter(self) -> Place:
        """Wait for a place, and for as long as everybody has to wait."""
        self._loop = self._loop or asyncio.get_running_loop()
        while self._n_inside >= self._allowed or time.monotonic() < self._hold_until:
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            await waiter
        self._n_inside += 1
        self._most_inside = max(self._most_inside, self._n_inside)
        return Place(epoch=self._epoch, entered_at=time.monotonic())

    def leave(self, place: Place, ending: Ending, retry_after_s: float | None) -> None:
        """Free the place; that of a throttled call stays empty until the next look."""
        self._n_inside -= 1
        if ending is Ending.ANSWERED:
            self._seen.n_answered += 1
            self._doubt.answered(place)
        elif ending is Ending.THROTTLED:
            self._throttled(place, retry_after_s or 0.0)
        self._wake()

    def _throttled(self, place: Place, asked_s: float) -> None:
        self._seen.throttled(place, min(asked_s, LONGEST_WAIT_S))
        self._allowed = max(1, min(self._allowed, self._n_inside))
        is_closed = asked_s > LONGEST_WAIT_S or self.silent_s() > LONGEST_SILENCE_S
        n_throttled = self._doubt.throttled(place)
        # The calls to a closed endpoint fail, one after the other, and nobody waits for it.
        if not is_closed and n_throttled >= min(MANY, max(1, self._share // 4)):
            self._hold(asked_s)

    def silent_s(self) -> float:
        """Seconds for which throttled calls were all that came back; 0 after an answer."""
        return self._doubt.lasts_s()

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

    def _told(self) -> tuple[str | int, ...]:
        """The script's arguments. The loop may add to what is let go of here: one call at most."""
        wanted = max(self._most_inside, self._n_inside + len(self._waiting))
        self._most_inside = self._n_inside
        seen, self._seen = self._seen, _Seen()
        wait_ms = max(0, int((self._hold_until - time.monotonic()) * 1000))
        return (self._worker, wanted, *seen.as_arguments(), wait_ms, FIRST_LIMIT)

    def _take(self, seen: Sequence[int | str]) -> None:
        milli, share, epoch, wait_ms, n_workers, cause = seen
        if self._is_away:
            log.warning("Valkey is back: calls to %s share one limit again.", self._endpoint)
            self._is_away = False
        self._share = self._allowed = min(self._own, int(share))
        self._epoch = int(epoch)
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
        self._is_away = True
        self._share = self._allowed = self._own
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


class Paces:
    """The paces of one shard: of its checkpoint's endpoint, and of those that its graders ask."""

    def __init__(self, *, redis_url: str, own: int) -> None:
        self._redis_url, self._own = redis_url, own
        self._by_endpoint: dict[str, SharedPace] = {}

    def __enter__(self) -> Paces:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for pace in self._all():
            pace.close()

    def of(self, base_url: str) -> SharedPace:
        """The endpoint's pace, the same each time."""
        endpoint = base_url.rstrip("/")
        if endpoint not in self._by_endpoint:
            self._by_endpoint[endpoint] = SharedPace(
                endpoint=endpoint, redis_url=self._redis_url, own=self._own
            )
        return self._by_endpoint[endpoint]

    def look(self) -> None:
        """As SharedPace.look, at each of them."""
        for pace in self._all():
            pace.look()

    async def keep_looking(self) -> None:
        """Look again and again, where no other thread does; ended by cancelling it."""
        while True:
            await asyncio.to_thread(self.look)
            await asyncio.sleep(LOOK_S)

    def taken(self) -> list[PaceSeen]:
        """How their limits moved since the last time this was asked."""
        return [change for pace in self._all() for change in pace.taken()]

    def _all(self) -> list[SharedPace]:
        # The loop's thread may add one meanwhile.
        return list(self._by_endpoint.values())
