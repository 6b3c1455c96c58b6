"""Calls with keys that are not valid: counted, and slowed down by where they come from.

Nothing is kept of a key, and of an address only how much it may still try: a fixed number of
addresses, the one seen longest ago given up first.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, IPv6Network, ip_address

from alpha.gateway.errors import RATE, Refusal

log = logging.getLogger(__name__)
TELL_EVERY_S = 60.0
# Who holds one address of these holds all of them.
IPV6_PREFIX = 64


class FailedKeys:
    """A token bucket a source: `burst` failures at once, `per_s` more every second."""

    def __init__(
        self,
        *,
        burst: int,
        per_s: float,
        n_sources: int,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._burst, self._per_s, self._n_sources = burst, per_s, n_sources
        self._now = now
        # What is left in each bucket, and when that was so; the latest source last.
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self.n_failed = 0
        self.n_slowed = 0
        self._told = (0, 0)
        self._telling: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._buckets)

    def n_limited(self) -> int:
        """How many sources are refused at the moment."""
        now, per_s = self._now(), self._per_s
        return sum(left + (now - since) * per_s < 1.0 for left, since in self._buckets.values())

    def failed(self, address: str) -> Refusal | None:
        """Count one failure of `address`; Refusal 429 where it has failed too often lately."""
        self.n_failed += 1
        self._tell_later()
        source, now = source_of(address), self._now()
        left, since = self._buckets.pop(source, (float(self._burst), now))
        left = min(float(self._burst), left + (now - since) * self._per_s)
        is_spent = left < 1.0
        self._buckets[source] = (left if is_spent else left - 1.0, now)
        if len(self._buckets) > self._n_sources:
            self._buckets.popitem(last=False)
        if not is_spent:
            return None
        self.n_slowed += 1
        return too_many_failures(math.ceil((1.0 - left) / self._per_s))

    def _tell_later(self) -> None:
        if self._telling is None:
            loop = asyncio.get_running_loop()
            self._telling = loop.call_later(TELL_EVERY_S, self.tell)

    def tell(self) -> None:
        """Log what was counted since the last time: one line, however many there were."""
        if self._telling is not None:
            self._telling.cancel()
            self._telling = None
        n_failed, n_slowed = self.n_failed - self._told[0], self.n_slowed - self._told[1]
        if n_failed:
            self._told = (self.n_failed, self.n_slowed)
            log.warning(
                "%d calls with keys that are not valid, %d of them slowed down; %d sources known",
                n_failed,
                n_slowed,
                len(self._buckets),
            )


def source_of(address: str) -> str:
    """What is counted as one source: an IPv4 address, an IPv6 /64; "" for anything else."""
    try:
        found = ip_address(address)
    except ValueError:
        return ""
    if not isinstance(found, IPv6Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(IPv6Network((int(found), IPV6_PREFIX), strict=False).network_address)


def too_many_failures(retry_after: int) -> Refusal:
    """Says nothing about the key that was sent."""
    return Refusal(
        429,
        "rate_limit_exceeded",
        "Too many calls with keys that are not valid came from your address. Check your key, "
        "then try again.",
        kind=RATE,
        retry_after=max(1, retry_after),
    )
