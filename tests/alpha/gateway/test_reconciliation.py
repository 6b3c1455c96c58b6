"""After any mixture of endings nothing stays reserved, and what was spent is what was recorded."""

from __future__ import annotations

import asyncio
import logging
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import aiohttp
import pytest
import redis
from aiohttp import web
from django.db.models import Sum

from alpha.gateway.config import GatewayConfig
from alpha.gateway.scopes import names_of, scope_of
from alpha.models import Grant, Key, Partner, UsageEvent
from alpha.quotas import NAMES
from infra import clock
from releases.models import Price
from tests.alpha.builders import Access, access
from tests.alpha.gateway.counted import FORMAT, HELD, counters_of, is_free
from tests.alpha.gateway.server import Running, running, wait_for
from tests.alpha.gateway.test_metering import Killable
from tests.alpha.gateway.upstream import HEADERS, Upstream

log = logging.getLogger(__name__)
LIMITS = dict.fromkeys(NAMES, 10**9)
FATES = ("succeed", "fail", "leave")
AT_ONCE = 32


class Mixed(Upstream):
    """Fails where the message says so; every other answer takes a moment."""

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        if body["messages"][-1]["content"] == "fail":
            return web.Response(status=500, text="broken", headers=HEADERS)
        return await super()._chat(request)


@pytest.fixture
def mixed() -> Iterator[Mixed]:
    server = Mixed()
    server.behaviour.words = ["word "] * 8
    server.behaviour.chunk_delay_s = 0.02
    server.start()
    yield server
    server.stop()


@pytest.fixture
def granted(config: GatewayConfig, mixed: Mixed) -> Access:
    """With every limit on key, partner and grant, and a price for input and output."""
    found = access(mixed.url)
    Grant.objects.update(**LIMITS)
    for holder in (Key, Partner):
        holder.objects.update(**LIMITS, limited_since=clock.now())
    Price.objects.create(
        checkpoint=found.checkpoint,
        currency="USD",
        input_micros_per_million=3_000_000,
        cached_input_micros_per_million=0,
        output_micros_per_million=7_000_000,
        effective_at=clock.now(),
    )
    return found


def call_all(granted: Access, urls: Sequence[str], n_calls: int) -> Counter[str]:
    """Every fate in turn, every other call streamed, on each worker in turn."""

    async def every_one() -> list[str]:
        headers = {"authorization": f"Bearer {granted.key_text}"}
        gate = asyncio.Semaphore(AT_ONCE)
        async with aiohttp.ClientSession(headers=headers) as session:

            async def one(number: int) -> str:
                async with gate:
                    return await _call(
                        session,
                        f"{urls[number % len(urls)]}/chat/completions",
                        FATES[number % len(FATES)],
                        stream=number % 4 < 2,
                    )

            return await asyncio.gather(*[one(number) for number in range(n_calls)])

    return Counter(asyncio.run(every_one()))


async def _call(session: aiohttp.ClientSession, url: str, fate: str, *, stream: bool) -> str:
    body: dict[str, Any] = {
        "model": "quasar-alpha",
        "messages": [{"role": "user", "content": fate}],
        "stream": stream or fate == "leave",
        "max_tokens": 20,
    }
    try:
        async with session.post(url, json=body) as reply:
            if fate == "leave":
                await reply.content.readany()
                return "left"
            await reply.read()
            return str(reply.status)
    except aiohttp.ClientError:
        return "cut off"


def recorded() -> int:
    return UsageEvent.objects.aggregate(total=Sum("cost_micros"))["total"] or 0


def is_even(granted: Access, config: GatewayConfig) -> bool:
    """In every scope that is limited: nothing reserved, and spent what was recorded."""
    names = names_of(granted.key.pk, granted.partner.pk, granted.grant.pk)
    limited = [
        name
        for name, holder in zip(names, (Key, Partner, Grant), strict=True)
        if holder.objects.filter(budget_micros__isnull=False).exists()
    ]
    spent = {counters_of(config.redis_url, name)["micros"] for name in limited}
    free = [is_free(config.redis_url, name) for name in limited]
    return bool(limited) and spent == {recorded()} and all(free)


def test_after_ninety_calls_nothing_is_reserved_and_spent_is_what_was_recorded(
    granted: Access, config: GatewayConfig
) -> None:
    with running(config) as first, running(config) as second:
        urls = [first.url, second.url]
        assert call_all(granted, urls, 90) == {"200": 30, "502": 30, "left": 30}
        wait_for(lambda: UsageEvent.objects.count() == 90, "all usage landed")
        states = Counter(UsageEvent.objects.values_list("state", flat=True))
        assert states == {"succeeded": 30, "failed": 30, "client_gone": 30}
        wait_for(lambda: is_even(granted, config), "the counters say what the records say")
        assert recorded() > 30 * 7 * 8


def test_a_call_begun_before_its_grant_had_a_budget_is_counted_in_it(
    granted: Access, config: GatewayConfig, mixed: Mixed
) -> None:
    for holder in (Grant, Key, Partner):
        holder.objects.update(**dict.fromkeys(NAMES))
    mixed.behaviour.chunk_delay_s = 0.3
    with running(config) as worker:
        caller = threading.Thread(target=call_all, args=(granted, [worker.url], 1))
        caller.start()
        wait_for(lambda: len(worker.parts.under_way), "the call is under way")
        Grant.objects.update(budget_micros=10**9)
        scope = scope_of(granted.grant.pk, granted.partner.pk)
        url = config.redis_url
        wait_for(lambda: counters_of(url, scope)["seeded"], "the counters know the budget")
        assert len(worker.parts.under_way) == 1
        caller.join(20)
        wait_for(lambda: UsageEvent.objects.count() == 1, "the usage landed")
        wait_for(lambda: is_even(granted, config), "the counters say what the records say")
        assert recorded() > 7 * 8


def test_what_a_dead_worker_had_reserved_before_it_noted_anything_is_given_back(
    granted: Access, config: GatewayConfig, committed_db: str
) -> None:
    """Nobody calls again: the worker that takes over the journal gives it back by itself."""
    dead = Running(config)
    dead.start()
    call_all(granted, [dead.url], 3)
    wait_for(lambda: UsageEvent.objects.count() == 3, "all usage landed")
    dead.stop()
    names = names_of(granted.key.pk, granted.partner.pk, granted.grant.pk)
    minute, day = int(time.time() // 60), int(time.time() // 86400)
    with redis.Redis.from_url(config.redis_url) as client:
        for name in names:
            reserved = counters_of(config.redis_url, name)
            reserved |= {held: 120 * (90 if "micros" in held else 9) for held in HELD}
            client.set(name, struct.pack(FORMAT, *(reserved | {"running": 120}).values()))
        for number in range(120):
            request = f"{number:032x}"
            client.zadd("slipway:live", {request: int((time.time() + 1) * 1000)})
            client.hset("slipway:hold", request, f"9 90 {minute} {day} {' '.join(names)}")
    assert not is_even(granted, config)
    (config.journal_dir / f"{'0' * 32}.journal").write_bytes(b"")
    with running(config, lease_s=2):
        wait_for(lambda: is_even(granted, config), "nothing is reserved", 20)


@pytest.mark.long
def test_after_a_thousand_calls_spent_is_what_was_recorded(
    granted: Access, config: GatewayConfig, committed_db: str
) -> None:
    workers = [Killable(config, committed_db) for _ in range(2)]
    try:
        urls = [worker.url for worker in workers]
        told = call_all(granted, urls, 999)
        assert told == {"200": 333, "502": 333, "left": 333}
        wait_for(lambda: UsageEvent.objects.count() == 999, "all usage landed", 30)
        wait_for(lambda: is_even(granted, config), "the counters say what the records say")
        log.warning("spent and recorded: %d micros in 999 calls", recorded())
    finally:
        for worker in workers:
            worker.kill()


@pytest.mark.long
@pytest.mark.parametrize("attempt", range(3))
def test_within_a_minute_of_kill_9_spent_is_what_was_recorded(
    granted: Access, config: GatewayConfig, committed_db: str, attempt: int
) -> None:
    dying, other = [Killable(config, committed_db) for _ in range(2)]
    killed_at: list[float] = []

    def kill() -> None:
        wait_for(lambda: UsageEvent.objects.count() > 300 + attempt * 37, "calls have ended", 60)
        dying.kill()
        killed_at.append(time.monotonic())

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        told = call_all(granted, [dying.url, other.url], 1000)
        killer.join(60)
        assert told["cut off"] > 0 and told["200"] > 160
        wait_for(lambda: is_even(granted, config), "nothing is reserved", 90)
        within_s = time.monotonic() - killed_at[0]
        log.warning("even %.1f s after the kill; %s", within_s, dict(told))
        assert within_s <= 60
        states = Counter(UsageEvent.objects.values_list("state", flat=True))
        assert states["aborted"] > 0
    finally:
        other.kill()
