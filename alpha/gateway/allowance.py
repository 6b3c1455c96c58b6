"""What a key may still do while the counters are out of reach: a little, and never without end."""

from __future__ import annotations

import logging
import time
from uuid import UUID

log = logging.getLogger(__name__)
SEEN_WITHIN_S = 60.0
ASK_AGAIN_S = 0.5


class Allowance:
    """Calls that keys seen in the last minute may make during one outage, in this worker."""

    def __init__(self, calls: int) -> None:
        self._calls = calls
        self._seen: dict[UUID, float] = {}
        self._used: dict[UUID, int] = {}
        self._away_since: float | None = None
        self._ask_again_at = 0.0

    def is_waiting(self) -> bool:
        """Whether the counters failed so lately that asking again would only cost time."""
        return self._away_since is not None and time.monotonic() < self._ask_again_at

    def counters_answer(self, key_id: UUID) -> None:
        """They are there: the key counts as seen, and the outage is over."""
        self._seen[key_id] = time.monotonic()
        if self._away_since is not None:
            log.warning("the counters answer again")
            self._away_since = None
            self._used.clear()

    def counters_fail(self, error: BaseException) -> float:
        """They did not answer; since when, by `time.monotonic`."""
        now = time.monotonic()
        if self._away_since is None:
            log.warning("the counters are out of reach: %s", error)
            self._away_since = now
        if now >= self._ask_again_at:
            self._ask_again_at = now + ASK_AGAIN_S
        return self._away_since

    def takes(self, key_id: UUID, error: BaseException) -> bool:
        """Whether the key may make one more call without them."""
        away_since = self.counters_fail(error)
        seen = self._seen.get(key_id)
        if seen is None or seen < away_since - SEEN_WITHIN_S:
            return False
        self._used[key_id] = self._used.get(key_id, 0) + 1
        return self._used[key_id] <= self._calls
