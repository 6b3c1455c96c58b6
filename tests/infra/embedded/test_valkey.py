"""The embedded Valkey: a socket, nothing dropped, healed after any end."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
import redis

from infra import embedded
from infra.embedded.processes import find_process, wait_until
from tests.infra.embedded.servers import kill


def test_a_kill_of_valkey_does_not_block_its_next_start(state: Path) -> None:
    embedded.start_valkey(tethered=True)
    process = find_process("valkey-server", str(state / "valkey" / "valkey.conf"))
    assert process is not None
    kill(process)
    assert (embedded.socket_dir() / "valkey.sock").exists()
    assert not embedded.valkey_is_running()
    embedded.start_valkey(tethered=True)
    assert redis.Redis.from_url(embedded.redis_url()).ping()


def test_valkey_never_drops_a_message_to_make_room(state: Path) -> None:
    embedded.start_valkey(tethered=True)
    client = redis.Redis.from_url(embedded.redis_url())
    assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    assert client.config_get("port") == {"port": "0"}


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("unix:///run/valkey.sock?db=0", "redis+socket:///run/valkey.sock?virtual_host=0"),
        ("unix:///run/valkey.sock?db=3", "redis+socket:///run/valkey.sock?virtual_host=3"),
        ("redis://:secret@host:6379/1", "redis://:secret@host:6379/1"),
        ("rediss://host:6380/0", "rediss://host:6380/0"),
    ],
)
def test_celery_gets_the_same_server_in_its_own_spelling(url: str, expected: str) -> None:
    assert embedded.broker_url(url) == expected


@pytest.mark.long
def test_a_frozen_server_is_stopped_all_the_same(state: Path) -> None:
    embedded.start_valkey()
    process = find_process("valkey-server", str(state / "valkey" / "valkey.conf"))
    assert process is not None
    process.send_signal(signal.SIGSTOP)
    embedded.start_valkey(tethered=True)
    assert not process.is_running()
    assert wait_until(embedded.valkey_is_running, timeout_s=5)
