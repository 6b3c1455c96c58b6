"""Limits of keys, partners and grants, exact over all workers: one script at the start, one after.

A call is let in by every scope it counts in, or by none. Requests count in a sliding minute; tokens
and money are reserved at their upper bound and settled by what was used. A request without
`max_tokens` may pass a limit by what it turns out to use, and only while nothing else of that
scope runs.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from alpha.gateway.allowance import Allowance
from alpha.gateway.config import GatewayConfig
from alpha.gateway.leases import Leases
from alpha.gateway.rates import UNLIMITED, Headers, Rates, limits_away, refused
from alpha.gateway.scopes import (
    NAME_OF,
    Plan,
    Scope,
    callable_grants,
    limited_by_grants,
    limited_by_key,
    limited_scopes,
    names_of,
    plan_of,
)
from alpha.gateway.scripts import OUT_OF_REACH, Scripts, Words, keys_of
from alpha.gateway.valkey import Answer
from alpha.routing import GrantEntry, KeyEntry, Table
from infra import clock

log = logging.getLogger(__name__)
SEEN_TO_AT_ONCE = 200


class Estimate(NamedTuple):
    """The most that a request can use; `bounded` when it says itself where it ends."""

    tokens: int
    micros: int
    bounded: bool


class Admission(NamedTuple):
    """A request that was let in; `is_counted` is False where nothing of its had a limit then."""

    names: tuple[str, ...]
    is_counted: bool = True
    rates: Headers = UNLIMITED


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What a scope has used so far, by the usage table; `day` as days since 1970."""

    tokens: int
    micros: int
    tokens_today: int
    micros_today: int
    day: int


Spending = Callable[[Scope], Awaitable[Spent]]


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
        self.leases = Leases(self._redis, self._scripts, config.lease_s)
        self._rates = Rates()
        self._scopes: dict[str, Scope] | None = None
        self._grants: Mapping[UUID, Sequence[tuple[GrantEntry, ...]]] = {}
        self._plans: dict[tuple[UUID, UUID], Plan] = {}
        self._keys: dict[tuple[str, ...], Words] = {}
        # Lost counters are seeded again by the first call that finds them so.
        self._seeded: set[tuple[str, int]] = set()
        self._unsettled: dict[str, tuple[tuple[str, ...], int, int]] = {}
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

    def table_is(self, table: Table) -> None:
        """Tell who has limits by now."""
        by_partner: dict[UUID, list[tuple[GrantEntry, ...]]] = defaultdict(list)
        for (partner_id, _), held in table.grants.items():
            by_partner[partner_id].append(held)
        self._grants, self._scopes = by_partner, limited_scopes(table)
        self._rates.forget_all_but(self._scopes)
        self._plans, self._keys = {}, {}

    async def start(
        self, key: KeyEntry, grant: GrantEntry, request: str, estimate: Callable[[], Estimate]
    ) -> Admission:
        """Reserve for a request; Refusal 402, 429 or 503."""
        plan = self._plan(key, grant)
        if not plan.scopes:
            return Admission(names=plan.names, is_counted=False)
        wanted, is_asked = estimate(), not self._allowance.is_waiting()
        try:
            answer = await self._ask(plan, request, wanted)
        except OUT_OF_REACH as error:
            rates = self._rates.headers(plan.scopes)
            if not self._allowance.takes(key.id, error):
                if is_asked:
                    # It may have been let in, and only the answer was lost: nothing was used.
                    self._unsettled[request] = (plan.names, 0, 0)
                raise limits_away(rates) from error
            return Admission(names=plan.names, rates=rates)
        self._allowance.counters_answer(key.id)
        which, kind, retry, to_next_minute, *numbers = answer
        self._rates.hear(plan.scopes, numbers, to_next_minute)
        rates = self._rates.headers(plan.scopes)
        if which:
            raise refused(plan.scopes[which - 1], NAME_OF[kind], retry, rates)
        self.leases.running.add(request)
        return Admission(names=plan.names, rates=rates)

    def _plan(self, key: KeyEntry, grant: GrantEntry) -> Plan:
        plan = self._plans.get((key.id, grant.id))
        # A call may still go by the table before this one.
        if plan is None or plan.key is not key or plan.grant is not grant:
            plan = self._plans[key.id, grant.id] = plan_of(key, grant)
        return plan

    async def _ask(self, plan: Plan, request: str, wanted: Estimate) -> Sequence[int]:
        if self._allowance.is_waiting():
            raise TimeoutError("the counters did not answer a moment ago")
        bounded, lease = int(wanted.bounded), self._config.lease_s * 1000
        arguments = (request, wanted.tokens, wanted.micros, bounded, lease)
        answer: Sequence[int] = await self._scripts.run("start", plan.keys, arguments, plan.limits)
        if answer[0] < 0:
            await self._seed_missing(plan.scopes)
            answer = await self._scripts.run("start", plan.keys, arguments, plan.limits)
            if answer[0] < 0:
                raise TimeoutError("the counters forgot at once what they were told")
        return answer

    async def rates_of(self, key: KeyEntry) -> Headers:
        """What the key's answers say of its limits where they name no model that it may call.

        The tightest of everything it could call now; as last heard where the counters are away.
        """
        grants = callable_grants(self._grants.get(key.partner_id, ()), clock.now())
        scopes = (*limited_by_key(key), *limited_by_grants(grants))
        if (
            any(scope.quotas.limits_minutes for scope in scopes)
            and not self._allowance.is_waiting()
        ):
            try:
                await self._look(scopes)
            except OUT_OF_REACH as error:
                self._allowance.counters_fail(error)
        return self._rates.headers(scopes)

    async def _look(self, scopes: Sequence[Scope]) -> None:
        told = [
            -1 if limit is None else limit
            for scope in scopes
            for limit in (scope.quotas.requests_per_minute, scope.quotas.tokens_per_minute)
        ]
        keys = keys_of(*(scope.name for scope in scopes))
        to_next_minute, *numbers = await self._scripts.run("look", keys, told)
        self._rates.hear(scopes, numbers, to_next_minute)

    async def seed_missing(self) -> None:
        """Seed, away from any request, what this worker has not seen seeded yet."""
        scopes = [
            scope
            for scope in (self._scopes or {}).values()
            if scope.quotas.needs_history and (scope.name, scope.since) not in self._seeded
        ]
        for at in range(0, len(scopes), SEEN_TO_AT_ONCE):
            await self._seed_missing(scopes[at : at + SEEN_TO_AT_ONCE])

    async def _seed_missing(self, scopes: Iterable[Scope]) -> None:
        """Tell the counters what was spent; they know it only once they have been told."""
        wanting = [scope for scope in scopes if scope.quotas.needs_history]
        keys = keys_of(*(scope.name for scope in wanting))
        for scope, since in zip(wanting, await self._scripts.run("seeded", keys), strict=True):
            if since < scope.since:
                spent = await self._spending(scope)
                told = (spent.tokens, spent.micros, spent.tokens_today, spent.micros_today)
                arguments = (scope.since, *told, spent.day)
                await self._scripts.run("seed", keys_of(scope.name), arguments)
            self._seeded.add((scope.name, scope.since))

    @property
    def n_unsettled(self) -> int:
        """Ended calls that the counters were not told of yet."""
        return len(self._unsettled)

    def counts(self, admission: Admission) -> bool:
        """Whether what the request used is told to the counters: it has a limit by now."""
        return admission.is_counted or self._limited(admission.names).n > 1

    def _limited(self, names: tuple[str, ...]) -> Words:
        """Which of them have limits by now, as keys; all of them while that is not known yet."""
        keys = self._keys.get(names)
        if keys is None:
            scopes = self._scopes
            limited = [name for name in names if scopes is None or name in scopes]
            keys = self._keys[names] = keys_of(*limited)
        return keys

    async def settle(self, admission: Admission, request: str, tokens: int, micros: int) -> None:
        """Replace the reservation by what was used; tried again later when Valkey is away."""
        if not self.counts(admission):
            return
        self.leases.running.discard(request)
        try:
            keys = self._limited(admission.names)
            await self._scripts.run("settle", keys, (request, tokens, micros))
        except OUT_OF_REACH:
            self._unsettled[request] = (admission.names, tokens, micros)

    def settle_now(self, admission: Admission, request: str, tokens: int, micros: int) -> bool:
        """As `settle`, sent before this returns: whoever would wait may be cancelled, it is not.

        False, and nothing sent, without a connection.
        """
        keys = self._limited(admission.names)
        sent = self._scripts.send("settle", keys, (request, tokens, micros))
        if sent is None:
            return False
        self.leases.running.discard(request)

        def look(answer: Answer) -> None:
            if answer.exception() is not None:
                self._unsettled[request] = (admission.names, tokens, micros)

        sent.add_done_callback(look)
        return True

    async def settle_rescued(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Settle calls whose own process is gone, all at once: one patience, not one for each."""
        await asyncio.gather(*map(self._settle_event, events))

    async def _settle_event(self, event: Mapping[str, Any]) -> None:
        ids = (UUID(event[name]) for name in ("key_id", "partner_id", "grant_id"))
        tokens = event["tokens_in_shown"] + event["tokens_out"]
        request = UUID(event["request_id"]).hex
        await self.settle(Admission(names=names_of(*ids)), request, tokens, event["cost_micros"])

    async def _keep(self) -> None:
        """Renews leases, settles what could not be settled, gives back what the dead held."""
        while True:
            await asyncio.sleep(self._config.lease_s / 9)
            try:
                await self.leases.renew()
                await self._settle_again()
                await self.leases.reclaim()
            except OUT_OF_REACH as error:
                log.warning("the counters are out of reach: %s", error)

    async def _settle_again(self) -> None:
        for request, (names, tokens, micros) in tuple(self._unsettled.items()):
            await self._scripts.run("settle", self._limited(names), (request, tokens, micros))
            self._unsettled.pop(request, None)
