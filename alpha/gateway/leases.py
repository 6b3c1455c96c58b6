"""What running calls have reserved: renewed while they run, given back when their worker is gone.

A lease that nobody renews ends by itself; the next call finds it so, and every worker looks for
such leases all the time, so that nothing waits for a next call.
"""

from __future__ import annotations

import logging
import time

from redis.asyncio import Redis

from alpha.gateway.scripts import NO_KEYS, Scripts

log = logging.getLogger(__name__)
LIVE = "slipway:live"
# As many as one run of the script gives back, and as one command renews.
AT_ONCE, RENEWED_AT_ONCE = 50, 1000


class Leases:
    """This worker's running calls, and the leases that dead workers left."""

    def __init__(self, redis: Redis, scripts: Scripts, lease_s: float) -> None:
        self._redis, self._scripts, self._lease_s = redis, scripts, lease_s
        self.running: set[str] = set()
        """Requests that have something reserved."""

    async def renew(self) -> None:
        """Another `lease_s` for every running call; OUT_OF_REACH."""
        if not self.running:
            return
        until, running = int((time.time() + self._lease_s) * 1000), tuple(self.running)
        for at in range(0, len(running), RENEWED_AT_ONCE):
            some = running[at : at + RENEWED_AT_ONCE]
            await self._redis.zadd(LIVE, dict.fromkeys(some, until), xx=True)

    async def reclaim(self) -> None:
        """Give back, in every scope, what calls had reserved whose lease is over; OUT_OF_REACH."""
        n_given_back = 0
        while True:
            n_late = int(await self._scripts.run("reclaim", NO_KEYS))
            n_given_back += n_late
            if n_late < AT_ONCE:
                break
        if n_given_back:
            log.warning("gave back what %d calls of dead workers had reserved", n_given_back)
