"""Limits are exact over all workers, whatever happens to a call."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import aiohttp
import httpx2 as httpx
import openai
import pytest
import redis
from redis.asyncio import Redis

from alpha.gateway.config import GatewayConfig
from alpha.gateway.scopes import scope_of
from alpha.gateway.scripts import Scripts
from alpha.models import Grant, UsageEvent
from infra import clock
from releases.models import Price
from tests.alpha.builders import Access
from tests.alpha.gateway.conftest import chat
from tests.alpha.gateway.counted import counters_of, holds_of
from tests.alpha.gateway.server import Running, running, wait_for
from tests.alpha.gateway.upstream import Upstream

NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture
def second(config: GatewayConfig, gateway: Running) -> Iterator[Running]:
    """Another worker beside the first."""
    with running(config) as server:
        yield server


def limit(granted: Access, *workers: Running, **quotas: int) -> None:
    """Set the grant's quotas, and wait until every worker knows."""
    Grant.objects.filter(pk=granted.grant.pk).update(**quotas)
    for worker in workers:
        wait_for(lambda worker=worker: _knows(worker, granted, quotas), "the quota is known")


def _knows(worker: Running, granted: Access, quotas: dict[str, int]) -> bool:
    table = worker.parts.tables.table
    assert table is not None
    known = table.grants[granted.partner.pk, granted.stage.pk][0].quotas
    return all(getattr(known, name) == value for name, value in quotas.items())


def price(granted: Access, output: int, *workers: Running) -> None:
    """`output` micros a million tokens of answer."""
    Price.objects.create(
        checkpoint=granted.checkpoint,
        currency="USD",
        input_micros_per_million=0,
        cached_input_micros_per_million=0,
        output_micros_per_million=output,
        effective_at=clock.now(),
    )
    for worker in workers:
        wait_for(lambda worker=worker: _priced(worker), "the price is known")


def _priced(worker: Running) -> bool:
    table = worker.parts.tables.table
    assert table is not None
    return all(r.checkpoint.prices for found in table.releases.values() for r in found)


def at_once(granted: Access, n_calls: int, *workers: Running, **fields: object) -> Counter[int]:
    """How many of so many calls at the same time got which status."""

    async def all_of_them() -> list[int]:
        headers = {"authorization": f"Bearer {granted.key_text}"}
        async with aiohttp.ClientSession(headers=headers) as session:
            urls = [f"{workers[n % len(workers)].url}/chat/completions" for n in range(n_calls)]
            return await asyncio.gather(*[_status(session, url, fields) for url in urls])

    return Counter(asyncio.run(all_of_them()))


async def _status(session: aiohttp.ClientSession, url: str, fields: dict[str, object]) -> int:
    async with session.post(url, json=chat(**fields)) as reply:
        await reply.read()
        return reply.status


def counters(granted: Access, config: GatewayConfig) -> dict[str, int]:
    """Money of the grant, and what is reserved in it."""
    scope = scope_of(granted.grant.pk, granted.partner.pk)
    found = counters_of(config.redis_url, scope)
    return {
        "held": found["micros_held"],
        "spent": found["micros"],
        "live": found["running"],
        "holds": len(holds_of(config.redis_url, scope)),
    }


def test_exactly_as_many_requests_a_minute_as_granted(
    granted: Access, gateway: Running, second: Running
) -> None:
    limit(granted, gateway, second, requests_per_minute=20)
    assert at_once(granted, 64, gateway, second) == {200: 20, 429: 44}


def test_exactly_as_many_at_once_as_granted(
    granted: Access, gateway: Running, second: Running, upstream: Upstream
) -> None:
    limit(granted, gateway, second, concurrent_requests=5)
    # Longer than it takes to let all of them in.
    upstream.behaviour.delay_s = 3.0
    assert at_once(granted, 64, gateway, second, stream=True) == {200: 5, 429: 59}
    upstream.behaviour.delay_s = 0
    assert at_once(granted, 5, gateway, second) == {200: 5}


def test_two_hundred_calls_at_once_against_a_budget_of_fifty_admit_fifty(
    granted: Access, gateway: Running, second: Running, config: GatewayConfig
) -> None:
    price(granted, 1_000_000, gateway, second)
    # Three words an answer, one micro a word.
    limit(granted, gateway, second, budget_micros=150)
    assert at_once(granted, 200, gateway, second, max_tokens=3) == {200: 50, 402: 150}
    wait_for(lambda: UsageEvent.objects.count() == 50, "all usage landed")
    assert sum(UsageEvent.objects.values_list("cost_micros", flat=True)) == 150
    assert counters(granted, config) == {"held": 0, "spent": 150, "live": 0, "holds": 0}


def test_after_failures_and_hang_ups_nothing_stays_reserved(
    granted: Access, gateway: Running, config: GatewayConfig, upstream: Upstream
) -> None:
    price(granted, 1_000_000, gateway)
    limit(granted, gateway, budget_micros=10_000)
    assert at_once(granted, 10, gateway, max_tokens=3) == {200: 10}
    upstream.behaviour.status, upstream.behaviour.raw = 500, "broken"
    assert at_once(granted, 10, gateway, max_tokens=3) == {502: 10}
    upstream.behaviour = replace(upstream.behaviour, raw=None, delay_s=5)
    headers = {"authorization": f"Bearer {granted.key_text}"}
    for _ in range(3):
        with pytest.raises(httpx.ReadTimeout):
            url = f"{gateway.url}/chat/completions"
            httpx.post(url, json=chat(max_tokens=3), headers=headers, timeout=0.1)
    wait_for(lambda: UsageEvent.objects.count() == 23, "all usage landed")
    assert counters(granted, config) == {"held": 0, "spent": 30, "live": 0, "holds": 0}
    assert Counter(UsageEvent.objects.values_list("state", flat=True)) == {
        "succeeded": 10,
        "failed": 10,
        "client_gone": 3,
    }


def test_spending_is_known_again_after_the_counters_were_lost(
    granted: Access, gateway: Running, config: GatewayConfig
) -> None:
    price(granted, 1_000_000, gateway)
    limit(granted, gateway, budget_micros=9)
    assert at_once(granted, 2, gateway, max_tokens=3) == {200: 2}
    wait_for(lambda: UsageEvent.objects.count() == 2, "all usage landed")
    with redis.Redis.from_url(config.redis_url) as client:
        client.delete(*client.keys(f"{scope_of(granted.grant.pk, granted.partner.pk)}*"))
    assert at_once(granted, 4, gateway, max_tokens=3) == {200: 1, 402: 3}


def test_a_rate_limit_raises_the_sdks_own_error_with_its_headers(
    granted: Access, gateway: Running, sdk: openai.OpenAI
) -> None:
    limit(granted, gateway, requests_per_minute=1, tokens_per_minute=100_000)
    headers = sdk.chat.completions.with_raw_response.create(**chat(max_tokens=5)).headers
    assert headers["x-ratelimit-limit-requests"] == "1"
    assert headers["x-ratelimit-remaining-requests"] == "0"
    assert headers["x-ratelimit-reset-requests"] == "1m0s"
    assert headers["x-ratelimit-limit-tokens"] == "100000"
    assert 90_000 < int(headers["x-ratelimit-remaining-tokens"]) < 100_000
    with pytest.raises(openai.RateLimitError) as caught:
        sdk.chat.completions.create(**chat())
    assert caught.value.code == "rate_limit_exceeded"
    assert 1 <= int(caught.value.response.headers["retry-after"]) <= 60


def test_tokens_of_a_day_are_settled_by_what_was_used(
    granted: Access, gateway: Running, sdk: openai.OpenAI
) -> None:
    limit(granted, gateway, tokens_per_day=150)
    # Eleven tokens a call; a bound of about eighty is reserved while it runs.
    for _ in range(6):
        sdk.chat.completions.create(**chat(max_tokens=3))
    with pytest.raises(openai.RateLimitError, match="tokens per day"):
        for _ in range(8):
            sdk.chat.completions.create(**chat(max_tokens=3))


def test_a_spent_budget_is_402_and_not_retried(
    granted: Access, gateway: Running, upstream: Upstream
) -> None:
    price(granted, 1_000_000, gateway)
    limit(granted, gateway, budget_micros=1)
    with openai.OpenAI(base_url=gateway.url, api_key=granted.key_text, max_retries=5) as client:
        with pytest.raises(openai.APIStatusError) as caught:
            client.chat.completions.create(**chat(max_tokens=3))
    assert caught.value.status_code == 402 and caught.value.code == "insufficient_quota"
    assert upstream.seen == []


def test_without_counters_a_known_key_goes_on_to_its_allowance_only(
    granted: Access, config: GatewayConfig, upstream: Upstream
) -> None:
    with running(config, local_allowance=4) as worker:
        limit(granted, worker, requests_per_minute=1000)
        assert at_once(granted, 1, worker) == {200: 1}
        limits = worker.parts.limits
        real, limits._scripts = limits._scripts, Scripts(Redis.from_url(NOWHERE))
        assert at_once(granted, 10, worker) == {200: 4, 503: 6}
        limits._scripts = real
        wait_for(lambda: at_once(granted, 1, worker) == {200: 1}, "the counters are asked again")
    with running(config, redis_url=NOWHERE) as worker:
        assert at_once(granted, 3, worker) == {503: 3}
