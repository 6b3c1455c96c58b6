"""What running calls have reserved: renewed while they run, given back when their worker is gone.

A lease that nobody renews ends by itself; the next call of its grant finds it so. A worker that
sees another one gone gives all of them back, so that nothing waits for a next call.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable

from redis.asyncio import Redis

from alpha.gateway.scripts import Scripts

log = logging.getLogger(__name__)
# Clocks differ, and the last renewal may have been under way.
MARGIN_S = 1.0
# As many as one run of the script gives back.
AT_ONCE = 50


class Leases:
    """This worker's running calls, and the leases that dead workers left."""

    def __init__(self, redis: Redis, scripts: Scripts, lease_s: float) -> None:
        self._redis, self._scripts, self._lease_s = redis, scripts, lease_s
        self.running: dict[str, str] = {}
        """The scope of each running request."""
        self._reclaim_at: list[float] = []

    async def renew(self) -> None:
        """Another `lease_s` for every running call; OUT_OF_REACH."""
        if not self.running:
            return
        until = int((time.time() + self._lease_s) * 1000)
        async with self._redis.pipeline(transaction=False) as pipeline:
            for request, scope in self.running.items():
                pipeline.zadd(f"{scope}:live", {request: until}, xx=True)
            await pipeline.execute()

    def worker_is_gone(self) -> None:
        """A worker died just now: its leases end one `lease_s` from now at the latest."""
        self._reclaim_at.append(time.monotonic() + self._lease_s + MARGIN_S)

    async def reclaim_due(self, scopes: Iterable[str]) -> None:
        """Give back what dead workers had reserved in any of the scopes; OUT_OF_REACH."""
        now = time.monotonic()
        due = [at for at in self._reclaim_at if at <= now]
        if not due:
            return
        counts = await asyncio.gather(*[self._reclaim(scope) for scope in scopes])
        self._reclaim_at = [at for at in self._reclaim_at if at not in due]
        if any(counts):
            log.warning("gave back what %d calls of dead workers had reserved", sum(counts))

    async def _reclaim(self, scope: str) -> int:
        n_given_back = 0
        while True:
            n_late = int(await self._scripts.run("reclaim", scope, ()))
            n_given_back += n_late
            if n_late < AT_ONCE:
                return n_given_back
