"""Limits of a grant, exact over all workers: one Valkey script at the start, one at the end.

Requests count in a sliding minute; tokens and money are reserved at their upper bound and settled
by what was used. A request without `max_tokens` may pass a limit by what it turns out to use, and
only while nothing else of its grant runs.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from alpha.gateway.allowance import Allowance
from alpha.gateway.config import GatewayConfig
from alpha.gateway.leases import Leases
from alpha.gateway.rates import Headers, limits_away, rate_headers, refused
from alpha.gateway.scripts import OUT_OF_REACH, Scripts
from alpha.gateway.valkey import Answer
from alpha.routing import GrantEntry

log = logging.getLogger(__name__)
NONE = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """The most that a request can use; `bounded` when it says itself where it ends."""

    tokens: int
    micros: int
    bounded: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """A request that was let in; `is_counted` is False where its grant had no limit then."""

    scope: str
    is_counted: bool = True
    rates: Headers = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What a grant has used so far, by the usage table."""

    micros: int
    tokens_today: int
    day: int


Spending = Callable[[UUID, UUID], Awaitable[Spent]]


class Limits:
    """The worker's way to the counters."""

    def __init__(self, config: GatewayConfig, spending: Spending) -> None:
        self._config, self._spending = config, spending
        patience = config.valkey_patience_s
        self._redis: Redis = Redis.from_url(
            config.redis_url,
            socket_timeout=patience,
            socket_connect_timeout=patience,
            retry=Retry(NoBackoff(), 0),
            decode_responses=True,
            protocol=2,
        )
        self._scripts = Scripts(self._redis, patience)
        # Lost counters are seeded again by the first call that finds them so.
        self._seeded: set[str] = set()
        self.leases = Leases(self._redis, self._scripts, config.lease_s)
        self._scopes: frozenset[str] = frozenset()
        self._unsettled: dict[str, tuple[str, int, int]] = {}
        self._allowance = Allowance(config.local_allowance)
        self._tasks: list[asyncio.Task[None]] = []

    def open(self) -> None:
        self._tasks = [asyncio.create_task(self._keep(), name="gateway-leases")]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            await self._settle_again()
        except OUT_OF_REACH as error:
            log.warning("%d calls stay unsettled: %s", len(self._unsettled), error)
        await self._scripts.close()
        await self._redis.aclose()

    async def start(
        self, grant: GrantEntry, key_id: UUID, request: str, estimate: Callable[[], Estimate]
    ) -> Admission:
        """Reserve for a request; Refusal 402, 429 or 503."""
        scope = scope_of(grant.id, grant.partner_id)
        if not is_limited(grant):
            return Admission(scope=scope, is_counted=False)
        wanted, is_asked = estimate(), not self._allowance.is_waiting()
        try:
            answer = await self._ask(scope, grant, request, wanted)
        except OUT_OF_REACH as error:
            if not self._allowance.takes(key_id, error):
                if is_asked:
                    # It may have been let in, and only the answer was lost: nothing was used.
                    self._unsettled[request] = (scope, 0, 0)
                raise limits_away() from error
            return Admission(scope=scope)
        self._allowance.counters_answer(key_id)
        rates = rate_headers(grant, answer)
        if answer[0]:
            raise refused(str(answer[0]), grant, int(answer[5]), rates)
        self.leases.running[request] = scope
        return Admission(scope=scope, rates=rates)

    async def _ask(
        self, scope: str, grant: GrantEntry, request: str, wanted: Estimate
    ) -> Sequence[Any]:
        if self._allowance.is_waiting():
            raise TimeoutError("the counters did not answer a moment ago")
        limits = (
            grant.requests_per_minute,
            grant.concurrent_requests,
            grant.tokens_per_minute,
            grant.tokens_per_day,
            grant.budget_micros,
        )
        told = [NONE if limit is None else limit for limit in limits]
        bounded, lease = int(wanted.bounded), self._config.lease_s * 1000
        arguments = [request, *told, wanted.tokens, wanted.micros, bounded, lease]
        answer: Sequence[Any] = await self._scripts.run("start", scope, arguments)
        if answer[0] == "unseeded":
            await self.seed(grant)
            answer = await self._scripts.run("start", scope, arguments)
        return answer

    async def seed(self, grant: GrantEntry) -> None:
        """Tell the counters what was spent; they know it only once they have been told."""
        spent = await self._spending(grant.id, grant.partner_id)
        scope = scope_of(grant.id, grant.partner_id)
        await self._scripts.run("seed", scope, (spent.micros, spent.tokens_today, spent.day))

    def grants_are(self, grants: Sequence[GrantEntry]) -> None:
        """Tell which counters there may be: those of the table's limited grants."""
        self._scopes = frozenset(
            scope_of(grant.id, grant.partner_id) for grant in grants if is_limited(grant)
        )

    async def seed_missing(self, grants: Sequence[GrantEntry]) -> None:
        """Seed, away from any request, the grants this worker has not seen seeded yet."""
        for grant in grants:
            scope = scope_of(grant.id, grant.partner_id)
            counts = grant.budget_micros is not None or grant.tokens_per_day is not None
            if not counts or scope in self._seeded:
                continue
            if not await self._redis.exists(f"{scope}:seeded"):
                await self.seed(grant)
            self._seeded.add(scope)

    @property
    def n_unsettled(self) -> int:
        """Ended calls that the counters were not told of yet."""
        return len(self._unsettled)

    def counts(self, admission: Admission) -> bool:
        """Whether what the request used is told to the counters: its grant has a limit by now."""
        return admission.is_counted or admission.scope in self._scopes

    async def settle(self, admission: Admission, request: str, tokens: int, micros: int) -> None:
        """Replace the reservation by what was used; tried again later when Valkey is away."""
        if not self.counts(admission):
            return
        self.leases.running.pop(request, None)
        try:
            await self._scripts.run("settle", admission.scope, (request, tokens, micros))
        except OUT_OF_REACH:
            self._unsettled[request] = (admission.scope, tokens, micros)

    def settle_now(self, admission: Admission, request: str, tokens: int, micros: int) -> bool:
        """As `settle`, sent before this returns: whoever would wait may be cancelled, it is not.

        False, and nothing sent, without a connection.
        """
        sent = self._scripts.send("settle", admission.scope, (request, tokens, micros))
        if sent is None:
            return False
        self.leases.running.pop(request, None)

        def look(answer: Answer) -> None:
            if answer.exception() is not None:
                self._unsettled[request] = (admission.scope, tokens, micros)

        sent.add_done_callback(look)
        return True

    async def settle_rescued(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Settle calls whose own process is gone, all at once: one patience, not one for each."""
        await asyncio.gather(*map(self._settle_event, events))

    async def _settle_event(self, event: Mapping[str, Any]) -> None:
        scope = scope_of(UUID(event["grant_id"]), UUID(event["partner_id"]))
        tokens = event["tokens_in_shown"] + event["tokens_out"]
        request = UUID(event["request_id"]).hex
        await self.settle(Admission(scope=scope), request, tokens, event["cost_micros"])

    async def _keep(self) -> None:
        """Renews leases, settles what could not be settled, gives back what the dead held."""
        while True:
            await asyncio.sleep(self._config.lease_s / 9)
            try:
                await self.leases.renew()
                await self._settle_again()
                await self.leases.reclaim_due(self._scopes)
            except OUT_OF_REACH as error:
                log.warning("the counters are out of reach: %s", error)

    async def _settle_again(self) -> None:
        for request, (scope, tokens, micros) in tuple(self._unsettled.items()):
            await self._scripts.run("settle", scope, (request, tokens, micros))
            self._unsettled.pop(request, None)


def scope_of(grant_id: UUID, partner_id: UUID) -> str:
    """Where a partner's counters under a grant lie; a cohort's grant limits each partner alone."""
    return f"slipway:{{{grant_id.hex}:{partner_id.hex}}}"


def is_limited(grant: GrantEntry) -> bool:
    """Whether the grant has any limit."""
    limits = (
        grant.requests_per_minute,
        grant.tokens_per_minute,
        grant.concurrent_requests,
        grant.tokens_per_day,
        grant.budget_micros,
    )
    return any(limit is not None for limit in limits)
