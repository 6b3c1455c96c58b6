"""Two closers at once, and one killed in the middle, count nothing twice and lose nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable
from uuid import UUID

import psycopg
import pytest
from django.db import connections
from django.db.models import Sum

from alpha.models import LandedCall, TrafficArm, TrafficUnit
from alpha.services import segments
from alpha.services.batches import close_batches
from alpha.services.segments import follow
from infra.embedded.paths import PROJECT_DIR
from tests.alpha.gateway.server import wait_for
from tests.alpha.traffic import Traffic, later, ship
from tests.conftest import database_url

NOW = later(hours=1)


def counted(counts: str) -> int:
    return TrafficArm.objects.filter(batch__counts=counts).aggregate(n=Sum("n"))["n"] or 0


def write(traffic: Traffic, rounds: range, n: int = 50) -> None:
    assert traffic.candidate is not None
    for number in rounds:
        ship(
            traffic.calls(traffic.incumbent, n, prefix=f"r{number}-")
            + traffic.calls(traffic.candidate, n, prefix=f"r{number}-")
        )


def test_closers_at_once_count_every_call_once(committed_db: str) -> None:
    traffic = Traffic()
    traffic.begin()
    stop = threading.Event()
    failures: list[BaseException] = []

    def closer() -> None:
        try:
            while not stop.is_set():
                close_batches(NOW)
        except Exception as error:  # noqa: BLE001 -- told by the test's own thread
            failures.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=closer) for _ in range(4)]
    for thread in threads:
        thread.start()
    write(traffic, range(20))
    stop.set()
    for thread in threads:
        thread.join(120)
        assert not thread.is_alive()
    assert not failures, failures
    close_batches(NOW)
    assert counted("unit") == counted("request") == 2000
    assert (TrafficUnit.objects.count(), LandedCall.objects.count()) == (2000, 0)


def test_calls_that_land_while_a_round_counts_are_left_to_the_next(
    committed_db: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    traffic = Traffic()
    traffic.begin()

    def follow_then_land(releases: Iterable[UUID]) -> None:
        follow(releases)
        other = threading.Thread(target=land, args=(traffic,))
        other.start()
        other.join(30)

    monkeypatch.setattr(segments, "follow", follow_then_land)
    close_batches(NOW)
    monkeypatch.undo()
    assert (counted("request"), LandedCall.objects.count()) == (0, 100)
    close_batches(NOW)
    assert counted("unit") == counted("request") == 100


def land(traffic: Traffic) -> None:
    write(traffic, range(1))
    connections.close_all()


CLOSER = """
import sys
import django
django.setup()
from django.conf import settings
from django.db import connections
settings.DATABASES["default"]["NAME"] = sys.argv[1]
connections["default"].settings_dict["NAME"] = sys.argv[1]
from alpha.services.batches import close_batches
from tests.alpha.gateway.server import wait_for
from tests.alpha.traffic import later
close_batches(later(hours=1))
"""


@pytest.mark.parametrize(
    "table",
    [
        "traffic_unit",
        pytest.param("traffic_batch", marks=pytest.mark.long),
        pytest.param("traffic_arm", marks=pytest.mark.long),
    ],
)
def test_a_closer_killed_in_the_middle_leaves_nothing_half_done(
    committed_db: str, table: str
) -> None:
    traffic = Traffic()
    traffic.begin()
    write(traffic, range(2))
    with psycopg.connect(database_url("owner")) as other:
        # Where the closer writes into this table, it stops and is killed.
        other.execute(f"LOCK TABLE {table} IN SHARE MODE")
        process = subprocess.Popen(
            [sys.executable, "-c", CLOSER, committed_db],
            cwd=PROJECT_DIR,
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "infra.settings"},
        )
        wait_for(lambda: waits_for(other, table), f"the closer waits for {table}", 60)
        assert close_batches(NOW) == 0, "the lock is held by the other"
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    wait_for(lambda: close_batches(NOW), "the dead closer's lock is given back", 20)
    assert counted("unit") == counted("request") == 200


def waits_for(connection: psycopg.Connection, table: str) -> bool:
    found = connection.execute(
        "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = %s::regclass", [table]
    ).fetchone()
    return bool(found and found[0])
