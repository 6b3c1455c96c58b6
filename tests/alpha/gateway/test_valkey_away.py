"""Valkey goes away under load and comes back: never unlimited, and nothing is lost or left."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from alpha.gateway.config import GatewayConfig
from alpha.models import UsageEvent
from tests.alpha.builders import Access
from tests.alpha.gateway.cuttable import Cuttable
from tests.alpha.gateway.server import Running, running, wait_for
from tests.alpha.gateway.test_limits import at_once, counters, limit, price
from tests.alpha.gateway.test_reconciliation import is_even
from tests.alpha.gateway.upstream import Upstream

ALLOWANCE = 5


@pytest.fixture
def way(valkey: str) -> Iterator[Cuttable]:
    there = urlsplit(valkey)
    assert there.scheme == "unix", "the tests' own Valkey listens on a socket"
    found = Cuttable(there.path)
    found.start()
    yield found
    found.stop()


@pytest.fixture
def worker(granted: Access, config: GatewayConfig, way: Cuttable) -> Iterator[Running]:
    changed = {"lease_s": 9, "local_allowance": ALLOWANCE, "valkey_patience_s": 1.0}
    with running(config, redis_url=f"redis://{way.host}:{way.port}/0", **changed) as server:
        price(granted, 1_000_000, server)
        limit(granted, server, budget_micros=10**9, requests_per_minute=10**6)
        assert ask(granted, server, 1) == {200: 1}
        yield server


def ask(granted: Access, worker: Running, n_calls: int) -> Counter[int]:
    """Three micros a call."""
    return at_once(granted, n_calls, worker, max_tokens=3)


def comes_back(
    granted: Access, config: GatewayConfig, worker: Running, way: Cuttable, n_served: int
) -> None:
    """Within seconds the counters say what the records say, and those what was served."""
    way.join()
    wait_for(lambda: ask(granted, worker, 1) == {200: 1}, "the counters are back")
    wait_for(lambda: is_even(granted, config), "nothing stays reserved", 6)
    wait_for(lambda: UsageEvent.objects.count() == n_served + 1, "usage written is usage served")
    assert {event.cost_micros for event in UsageEvent.objects.all()} == {3}


def test_an_outage_under_load_admits_the_allowance_and_loses_nothing(
    granted: Access, config: GatewayConfig, upstream: Upstream, way: Cuttable, worker: Running
) -> None:
    upstream.behaviour.delay_s = 1.0
    found: list[Counter[int]] = []
    load = threading.Thread(target=lambda: found.append(ask(granted, worker, 30)))
    load.start()
    wait_for(lambda: len(worker.parts.under_way) >= 30, "thirty calls are under way")
    way.cut()
    load.join(30)
    assert found == [{200: 30}], "what was let in is served"
    upstream.behaviour.delay_s = 0
    assert ask(granted, worker, 40) == {200: ALLOWANCE, 503: 40 - ALLOWANCE}
    comes_back(granted, config, worker, way, 1 + 30 + ALLOWANCE)


def test_calls_that_were_let_in_unheard_reserve_nothing_for_long(
    granted: Access, config: GatewayConfig, way: Cuttable, worker: Running
) -> None:
    """Valkey let them in, and its answers were lost: most were refused all the same."""
    way.cut(answers_only=True)
    assert ask(granted, worker, 40) == {200: ALLOWANCE, 503: 40 - ALLOWANCE}
    assert counters(granted, config)["holds"] > 0
    comes_back(granted, config, worker, way, 1 + ALLOWANCE)
