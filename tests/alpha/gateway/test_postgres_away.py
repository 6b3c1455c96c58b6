"""PostgreSQL goes away under load and comes back: calls go on, limits hold, no usage is lost."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

import httpx2 as httpx
import pytest
from django.conf import settings as django_settings
from django.db import connections
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pytest_django.plugin import DjangoDbBlocker

from alpha.gateway.config import GatewayConfig
from alpha.models import Grant, UsageEvent
from infra.gateway_asgi import gateway_config
from infra.settings import database as parsed
from tests import migrated_cluster
from tests.alpha.builders import Access, access
from tests.alpha.gateway.cuttable import Cuttable
from tests.alpha.gateway.server import Running, running, wait_for
from tests.alpha.gateway.test_access_ends import halt
from tests.alpha.gateway.test_limits import at_once, limit, price
from tests.alpha.gateway.test_metering import PROJECT_DIR, Killable
from tests.alpha.gateway.test_reconciliation import is_even
from tests.alpha.gateway.upstream import Upstream

log = logging.getLogger(__name__)
MICROS_A_CALL = 3


def ask(granted: Access, n_calls: int, *workers: Any) -> Counter[int]:
    """Three micros a call."""
    return at_once(granted, n_calls, *workers, max_tokens=3)


@pytest.fixture
def way(config: GatewayConfig) -> Iterator[Cuttable]:
    folder = conninfo_to_dict(config.database)["host"]
    found = Cuttable(f"{folder}/.s.PGSQL.5432")
    found.start()
    yield found
    found.stop()


@pytest.fixture
def worker(granted: Access, config: GatewayConfig, way: Cuttable) -> Iterator[Running]:
    there = make_conninfo(config.database, host=way.host, port=way.port)
    with running(config, database=there) as server:
        price(granted, 1_000_000, server)
        yield server


def test_an_outage_under_load_serves_what_was_granted_and_loses_nothing(
    granted: Access,
    config: GatewayConfig,
    upstream: Upstream,
    way: Cuttable,
    worker: Running,
    caplog: pytest.LogCaptureFixture,
) -> None:
    limit(granted, worker, budget_micros=70 * MICROS_A_CALL, requests_per_minute=10**6)
    assert ask(granted, 1, worker) == {200: 1}
    wait_for(lambda: UsageEvent.objects.count() == 1, "the usage landed")
    upstream.behaviour.delay_s = 1.0
    found: list[Counter[int]] = []
    load = threading.Thread(target=lambda: found.append(ask(granted, 30, worker)))
    load.start()
    wait_for(lambda: len(worker.parts.under_way) >= 30, "thirty calls are under way")
    way.cut()
    load.join(30)
    assert found == [{200: 30}], "what was let in is served"
    upstream.behaviour.delay_s = 0
    assert ask(granted, 60, worker) == {200: 39, 402: 21}
    wait_for(lambda: not worker.parts.tables.is_listening, "the worker knows")
    stranger = {"authorization": f"Bearer slw_{'a' * 12}_{'b' * 43}"}
    assert httpx.get(f"{worker.url}/models", headers=stranger).status_code == 401
    assert UsageEvent.objects.count() <= 31
    way.join()
    wait_for(lambda: UsageEvent.objects.count() == 70, "usage written is usage served", 20)
    wait_for(lambda: is_even(granted, config), "the counters say what the records say")
    assert {event.cost_micros for event in UsageEvent.objects.all()} == {MICROS_A_CALL}
    assert set(UsageEvent.objects.values_list("state", flat=True)) == {"succeeded"}
    wait_for(lambda: worker.parts.tables.is_listening, "the worker hears again")
    halt(granted)
    wait_for(lambda: ask(granted, 1, worker) == {503: 1}, "a halt is heard again")
    assert [r for r in caplog.records if r.exc_info or "Traceback" in r.getMessage()] == []


class OwnCluster:
    """A PostgreSQL of this test's own, whose server can be killed and started again."""

    def __init__(self, state: Path) -> None:
        assert migrated_cluster.restore(state), "the session has kept a migrated cluster"
        kept = {k: v for k, v in os.environ.items() if not k.startswith("SLIPWAY_")}
        self._keeper = subprocess.Popen(
            [sys.executable, "-m", "tests.alpha.gateway.cluster_keeper"],
            cwd=PROJECT_DIR,
            env={**kept, "SLIPWAY_STATE_DIR": str(state)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid, self.url = 0, ""
        self.start()

    def start(self) -> None:
        told, heard = self._pipes()
        told.write("start\n")
        told.flush()
        answer = json.loads(heard.readline())
        self.pid, self.url = answer["pid"], answer["url"]

    def _pipes(self) -> tuple[IO[str], IO[str]]:
        assert self._keeper.stdin is not None and self._keeper.stdout is not None
        return self._keeper.stdin, self._keeper.stdout

    def kill(self) -> None:
        """As the machine's killer of processes does it: without a word."""
        os.kill(self.pid, signal.SIGKILL)

    def close(self) -> None:
        for pipe in self._pipes():
            pipe.close()
        self._keeper.wait(30)


@pytest.fixture
def cluster(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker, tmp_path: Path
) -> Iterator[OwnCluster]:
    """Django's connection points to it."""
    own = OwnCluster(tmp_path / f"own-{uuid4().hex[:6]}")
    connection, setting = connections["default"], django_settings.DATABASES["default"]
    names = ("NAME", "USER", "PASSWORD", "HOST", "PORT")
    before = {name: connection.settings_dict[name] for name in names}
    there = {name: parsed(own.url)[name] for name in names}
    connection.close()
    with django_db_blocker.unblock():
        try:
            connection.settings_dict.update(there)
            setting.update(there)
            yield own
        finally:
            connections.close_all()
            connection.settings_dict.update(before)
            setting.update(before)
            own.close()


@pytest.fixture
def own_config(cluster: OwnCluster, valkey: str, tmp_path: Path, settings: Any) -> GatewayConfig:
    settings.STATE_DIR = tmp_path
    settings.REDIS_URL = valkey
    return replace(gateway_config(), valkey_patience_s=10.0)


@pytest.mark.long
def test_kill_9_of_the_server_under_load_of_two_workers(
    cluster: OwnCluster, own_config: GatewayConfig, upstream: Upstream, tmp_path: Path
) -> None:
    granted, said = access(upstream.url), tmp_path / "workers.log"
    price(granted, 1_000_000)
    Grant.objects.update(budget_micros=400 * MICROS_A_CALL, requests_per_minute=10**6)
    workers = [Killable(own_config, cluster.url, said) for _ in range(2)]
    try:
        assert ask(granted, 10, *workers) == {200: 10}
        upstream.behaviour.delay_s = 3.0
        found: list[Counter[int]] = []
        load = threading.Thread(target=lambda: found.append(ask(granted, 90, *workers)))
        load.start()
        wait_for(lambda: len(upstream.seen) >= 60, "calls are under way")
        cluster.kill()
        load.join(60)
        assert found == [{200: 90}], "what was let in is served"
        upstream.behaviour.delay_s = 0
        for _ in range(4):
            assert ask(granted, 50, *workers) == {200: 50}
            time.sleep(1)
        assert ask(granted, 150, *workers) == {200: 100, 402: 50}
        down_since = time.monotonic()
        time.sleep(5)
        _comes_back(cluster, granted, own_config, workers)
        log.warning("even %.1f s after the last call", time.monotonic() - down_since)
    finally:
        for worker in workers:
            worker.kill()
    words = said.read_text(encoding="utf-8")
    assert "usage waits in the journal" in words and "Traceback" not in words, words[-3000:]


def _comes_back(
    cluster: OwnCluster, granted: Access, config: GatewayConfig, workers: list[Killable]
) -> None:
    connections.close_all()
    cluster.start()
    back_at = time.monotonic()
    wait_for(lambda: UsageEvent.objects.count() == 400, "usage written is usage served", 40)
    log.warning("all usage landed %.1f s after the server was back", time.monotonic() - back_at)
    wait_for(lambda: is_even(granted, config), "the counters say what the records say")
    assert set(UsageEvent.objects.values_list("cost_micros", "state")) == {
        (MICROS_A_CALL, "succeeded")
    }
    halt(granted)
    for worker in workers:
        wait_for(lambda worker=worker: ask(granted, 1, worker) == {503: 1}, "a halt is heard", 20)
