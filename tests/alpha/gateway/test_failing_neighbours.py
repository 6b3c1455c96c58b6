"""What serves beside the calls outlives the failures of what it needs."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import httpx2 as httpx
import pytest
from redis.asyncio import Redis
from redis.exceptions import TimeoutError as ValkeyTimeoutError

from alpha.gateway.config import GatewayConfig
from alpha.gateway.scripts import NAMES, Scripts, keys_of
from alpha.models import UsageEvent
from tests.alpha.builders import Access
from tests.alpha.gateway.conftest import chat
from tests.alpha.gateway.server import Running, running, wait_for


def test_scripts_that_were_half_loaded_are_loaded_again(valkey: str) -> None:
    async def answers() -> list[Any]:
        async with Redis.from_url(valkey, decode_responses=True) as redis:
            load, n_asked = redis.script_load, 0

            async def failing(text: str) -> Any:
                nonlocal n_asked
                n_asked += 1
                if n_asked == len(NAMES):
                    raise ValkeyTimeoutError("no answer")
                return await load(text)

            redis.script_load = failing  # type: ignore[method-assign]
            scripts = Scripts(redis)
            told: list[Any] = []
            for _ in range(2):
                try:
                    told.append(await scripts.run("seed", keys_of("slipway:{half}"), (5, 6, 7)))
                except ConnectionError as error:
                    told.append(str(error))
            return told

    first, second = asyncio.run(asyncio.wait_for(answers(), 10))
    assert first == "no answer"
    assert second != first


def test_a_defect_in_a_script_reaches_whoever_waits(valkey: str) -> None:
    async def told() -> str:
        async with Redis.from_url(valkey, decode_responses=True) as redis:
            with pytest.raises(KeyError) as caught:
                await Scripts(redis).run("no such script", keys_of("slipway:{none}"), ())
            return str(caught.value)

    assert "no such script" in asyncio.run(asyncio.wait_for(told(), 10))


def test_usage_lands_after_a_rescue_that_failed_in_an_unforeseen_way(
    config: GatewayConfig, granted: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(replace(config, rescue_every_s=0.05)) as worker:
        n_failures = 0

        async def failing() -> None:
            nonlocal n_failures
            n_failures += 1
            raise RuntimeError("unforeseen")

        monkeypatch.setattr(worker.parts.shipper, "rescue", failing)
        wait_for(lambda: n_failures, "a rescue failed")
        _call(worker, granted)
        wait_for(lambda: UsageEvent.objects.count() == 1, "the usage landed all the same")


def test_no_statement_of_a_worker_waits_for_good(gateway: Running) -> None:
    async def patience() -> str:
        async with gateway.parts.pool.connection() as connection:
            row = await (await connection.execute("SHOW statement_timeout")).fetchone()
            return str(row[0]) if row else ""

    assert gateway.do(patience()) == "10s"


def _call(worker: Running, granted: Access) -> None:
    headers = {"authorization": f"Bearer {granted.key_text}"}
    url = f"{worker.url}/chat/completions"
    assert httpx.post(url, json=chat(), headers=headers).status_code == 200
