"""Upstreams that fail or dawdle, clients that hang up: afterwards nothing is left of any call."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from django.db.models import Sum

from alpha.gateway.config import GatewayConfig
from alpha.gateway.scopes import scope_of
from alpha.models import UsageEvent
from tests.alpha.builders import Access
from tests.alpha.gateway.conftest import chat
from tests.alpha.gateway.counted import counters_of, is_free
from tests.alpha.gateway.server import Running, running, wait_for
from tests.alpha.gateway.test_limits import limit, price
from tests.alpha.gateway.upstream import Upstream

AT_ONCE = 32
N_WARM = 20
MICROS_A_TOKEN = 7
SLOW_S = 0.15
# Clients leave such calls long before their end, and long after they were admitted.
LONG_S, PATIENCE_S = 20.0, 0.7


class FaultyUpstream(Upstream):
    """Of a hundred calls two are answered 5xx, ten late, two break off; told by their number."""

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        number = _number(body)
        if number % 50 == 7:
            status = 500 + number // 50 % 4
            return web.Response(status=status, text="<html>PLANTED-WORDS</html>")
        if number % 50 == 9 and not body.get("stream"):
            assert request.transport is not None
            request.transport.abort()
        if number % 10 == 3:
            await asyncio.sleep(LONG_S if leaves_early(number) else SLOW_S)
        return await super()._chat(request)

    async def _chunks(
        self, response: web.StreamResponse, body: dict[str, Any], usage: dict[str, Any]
    ) -> None:
        if leaves_in_the_middle(_number(body)):
            choice = {"index": 0, "delta": {"content": "Hello"}, "finish_reason": None}
            await self._event(response, {"choices": [choice]})
            await asyncio.sleep(LONG_S)
        await super()._chunks(response, body, usage)


def leaves_early(number: int) -> bool:
    return number % 20 == 13


def leaves_in_the_middle(number: int) -> bool:
    """Of a stream, after its first piece."""
    return number % 20 == 16


def _number(body: dict[str, Any]) -> int:
    last = body["messages"][-1]["content"].split()[-1]
    return int(last) if last.isdigit() else 0


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    server = FaultyUpstream()
    server.start()
    yield server
    server.stop()


def test_nothing_is_left_after_calls_that_failed(
    granted: Access, config: GatewayConfig, valkey: str
) -> None:
    with running(config) as worker:
        _run_and_look(granted, worker, valkey, 500)


@pytest.mark.long
def test_nothing_is_left_after_ten_thousand_calls(
    granted: Access, config: GatewayConfig, valkey: str
) -> None:
    with running(config) as worker:
        _run_and_look(granted, worker, valkey, 10_000)


def _run_and_look(granted: Access, worker: Running, valkey: str, n_calls: int) -> None:
    price(granted, MICROS_A_TOKEN * 1_000_000, worker)
    wide = 10**12
    limit(
        granted,
        worker,
        requests_per_minute=10**7,
        concurrent_requests=1000,
        tokens_per_minute=wide,
        tokens_per_day=wide,
        budget_micros=wide,
    )
    assert asyncio.run(_calls(granted, worker, N_WARM, 0)) == Counter({200: N_WARM})
    n_tasks = worker.do(_tasks())
    seen = asyncio.run(_calls(granted, worker, n_calls, 1))
    # Every class of failure was met, so that what follows speaks of it.
    assert seen[200] > n_calls / 2 and seen["left"] >= n_calls // 20, seen
    assert seen[502] + seen[503] + seen[504] >= n_calls // 50, seen
    assert not set(seen) - {200, 502, 503, 504, "left"}, seen
    _nothing_is_left(worker, n_tasks)
    _all_is_settled(granted, valkey, seen)


async def _calls(granted: Access, worker: Running, n_calls: int, first: int) -> Counter[Any]:
    """What became of each call; number 0 alone meets no fault."""
    numbers, seen = iter(range(n_calls)), Counter[Any]()
    headers = {"authorization": f"Bearer {granted.key_text}"}
    async with aiohttp.ClientSession(f"{worker.url}/", headers=headers) as session:

        async def some() -> None:
            for number in numbers:
                seen[await _call(session, number * first)] += 1

        await asyncio.gather(*(some() for _ in range(AT_ONCE)))
    return seen


async def _call(session: aiohttp.ClientSession, number: int) -> int | str:
    """The status of a call, or that its client left."""
    message = {"role": "user", "content": f"Say hello to {number}"}
    body = chat(messages=[message], stream=number % 2 == 0, max_tokens=8)
    patience = aiohttp.ClientTimeout(total=PATIENCE_S if leaves_early(number) else 60)
    try:
        async with session.post("chat/completions", json=body, timeout=patience) as reply:
            if leaves_in_the_middle(number):
                await reply.content.readany()
                reply.close()
                return "left"
            await reply.read()
            return reply.status
    except TimeoutError:
        return "left"


async def _tasks() -> int:
    return len(asyncio.all_tasks())


def _nothing_is_left(worker: Running, n_tasks: int) -> None:
    parts = worker.parts
    pool, segments = parts.upstreams.pool, parts.journal.segments
    held = {
        "connections of clients": lambda: worker._server.server_state.connections,
        "requests of the server": lambda: worker._server.server_state.tasks,
        "connections in use upstream": lambda: len(pool) - pool.n_free,
        "background work": lambda: parts._background,
        "leases": lambda: parts.limits.leases.running,
        "unsettled calls": lambda: parts.limits._unsettled,
        "unfinished calls in the journal": lambda: [s for s in segments if s.open_calls],
        "lines not shipped": lambda: [s for s in segments if s.shipped < s.size],
    }
    for what, found in held.items():
        wait_for(lambda found=found: not found(), f"no {what} are left: {found()!r:.300}")
    wait_for(lambda: worker.do(_tasks()) <= n_tasks, f"no more than {n_tasks} tasks are left")
    assert pool.n_free <= AT_ONCE, f"{pool.n_free} connections are kept for {AT_ONCE} calls"


def _all_is_settled(granted: Access, valkey: str, seen: Counter[Any]) -> None:
    """Nothing reserved, the counters hold what the records say, and a record stands for each."""
    scope = scope_of(granted.grant.pk, granted.partner.pk)
    records = UsageEvent.objects.aggregate(micros=Sum("cost_micros"), tokens_out=Sum("tokens_out"))
    states = Counter(UsageEvent.objects.values_list("state", flat=True))
    assert is_free(valkey, scope)
    assert counters_of(valkey, scope)["micros"] == records["micros"]
    assert records["micros"] == MICROS_A_TOKEN * records["tokens_out"] > 0
    n_failed = seen[502] + seen[503] + seen[504]
    told = {"succeeded": seen[200] + N_WARM, "failed": n_failed, "client_gone": seen["left"]}
    assert dict(states) == told, (seen, states)
