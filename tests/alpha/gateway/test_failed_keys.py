"""Keys that are not valid cost little, leave nothing, and slow down whoever sends them."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import Counter
from ipaddress import IPv6Address

import httpx2 as httpx
import psutil
import psycopg
import pytest

from alpha.gateway.config import GatewayConfig
from alpha.gateway.failed_keys import FailedKeys, source_of
from alpha.keys import make_key
from tests.alpha.builders import Access
from tests.alpha.gateway.conftest import chat
from tests.alpha.gateway.server import running
from tests.alpha.gateway.test_metering import Killable
from tests.conftest import database_url

log = logging.getLogger(__name__)


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::"),
        ("2001:db8:1:3::1", "2001:db8:1:3::"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("", ""),
        ("unix:/run/socket", ""),
        ("x" * 9000, ""),
    ],
)
def test_a_source_is_an_address_or_an_ipv6_network(address: str, source: str) -> None:
    assert source_of(address) == source


def asked(n_sources: int = 100, times: list[float] | None = None) -> FailedKeys:
    moments = iter(times or [0.0] * 100_000)
    return FailedKeys(burst=3, per_s=0.5, n_sources=n_sources, now=lambda: next(moments))


def failing(keys: FailedKeys, *addresses: str) -> list[int | None]:
    """What each failure is told to wait, in seconds; None: a plain 401."""

    async def fail() -> list[int | None]:
        told = [keys.failed(address) for address in addresses]
        keys.tell()
        return [refusal.retry_after if refusal else None for refusal in told]

    return asyncio.run(fail())


def test_a_burst_then_as_many_as_the_rate_allows() -> None:
    keys = asked(times=[0, 0, 0, 0, 1, 2, 2, 100])
    assert failing(keys, *["192.0.2.7"] * 8) == [None, None, None, 2, 1, None, 2, None]
    assert (keys.n_failed, keys.n_slowed) == (8, 3)


def test_sources_do_not_share_a_bucket_and_networks_do() -> None:
    assert failing(asked(), "192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2")[-1] is None
    same = [f"2001:db8::{n}" for n in range(1, 5)]
    assert failing(asked(), *same)[-1] == 2


def test_no_more_sources_are_kept_than_told() -> None:
    keys = asked(n_sources=50)
    failing(keys, *[str(IPv6Address(secrets.randbits(128))) for _ in range(2000)])
    assert len(keys) == 50 and keys.n_failed == 2000


def test_what_was_counted_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    keys = asked()
    failing(keys, *["192.0.2.7"] * 5)
    failing(keys, "192.0.2.7")
    said = [record.getMessage() for record in caplog.records]
    assert [text.split(" calls")[0] for text in said] == ["5", "1"]
    assert "2 of them slowed down" in said[0] and "192.0.2.7" not in "".join(said)


def test_a_source_that_fails_too_often_is_slowed_and_a_valid_key_from_there_is_served(
    config: GatewayConfig, granted: Access
) -> None:
    with running(config, failed_keys_burst=5, failed_keys_per_s=0.01) as worker:
        with httpx.Client(base_url=worker.url) as client:
            statuses = Counter(_status(client, make_key()[2]) for _ in range(20))
            assert statuses == {401: 5, 429: 15}
            reply = _call(client, make_key()[2])
            assert reply.json()["error"]["code"] == "rate_limit_exceeded"
            assert 1 <= int(reply.headers["retry-after"]) <= 100
            assert "x-ratelimit-limit-requests" not in reply.headers
            # The public part of a key that exists, with another secret.
            wrong = f"{granted.key_text[:-1]}{'a' if granted.key_text[-1] != 'a' else 'b'}"
            assert _status(client, wrong) == 429
            assert {_status(client, granted.key_text) for _ in range(10)} == {200}
            assert _status(client, make_key()[2]) == 429
        assert worker.gateway.failed_keys.n_failed == 23


def _call(client: httpx.Client, key: str) -> httpx.Response:
    headers = {"authorization": f"Bearer {key}"}
    return client.post("/chat/completions", json=chat(), headers=headers)


def _status(client: httpx.Client, key: str) -> int:
    return _call(client, key).status_code


N_RANDOM = 100_000
CONNECTIONS = 16


@pytest.mark.long
def test_a_hundred_thousand_random_keys_leave_nothing_and_cost_little(
    config: GatewayConfig, granted: Access, committed_db: str
) -> None:
    worker = Killable(config, committed_db)
    try:
        process = psutil.Process(worker.process.pid)
        asyncio.run(_try_random_keys(worker.port, N_RANDOM // 10))
        rows, before, memory = _rows(committed_db), process.cpu_times(), process.memory_info().rss
        statuses = asyncio.run(_try_random_keys(worker.port, N_RANDOM))
        after = process.cpu_times()
        cpu_ms = (after.user + after.system - before.user - before.system) * 1000 / N_RANDOM
        grown_mib = (process.memory_info().rss - memory) / 2**20
        log.warning("%.3f ms of CPU a key, %+.1f MiB, %s", cpu_ms, grown_mib, dict(statuses))
        assert statuses.total() == N_RANDOM and set(statuses) == {401, 429}
        assert cpu_ms <= 0.3
        assert grown_mib < 8
        assert _rows(committed_db) == rows
        reply = httpx.get(
            f"{worker.url}/models", headers={"authorization": f"Bearer {granted.key_text}"}
        )
        assert reply.status_code == 200
    finally:
        worker.kill()


async def _try_random_keys(port: int, n_keys: int) -> Counter[int]:
    """Half of them from one address, half from an IPv6 address each."""
    share = n_keys // CONNECTIONS
    found = await asyncio.gather(*[_try_some(port, share) for _ in range(CONNECTIONS)])
    return sum(found, Counter())


async def _try_some(port: int, n_keys: int) -> Counter[int]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    statuses: Counter[int] = Counter()
    for number in range(n_keys):
        source = IPv6Address(secrets.randbits(128)) if number % 2 else "192.0.2.7"
        writer.write(
            b"GET /v1/models HTTP/1.1\r\nhost: gateway\r\n"
            b"x-forwarded-for: %s\r\nauthorization: Bearer %s\r\n\r\n"
            % (str(source).encode(), make_key()[2].encode())
        )
        head = await reader.readuntil(b"\r\n\r\n")
        statuses[int(head[9:12])] += 1
        await reader.readexactly(int(head.split(b"content-length: ")[1].split(b"\r")[0]))
    writer.close()
    return statuses


def _rows(name: str) -> int:
    """Rows in all tables of that database."""
    with psycopg.connect(database_url("superuser", name), autocommit=True) as admin:
        tables = admin.execute("SELECT relid::regclass::text FROM pg_stat_user_tables").fetchall()
        union = " UNION ALL ".join(f"SELECT count(*) AS n FROM {name}" for (name,) in tables)
        row = admin.execute(f"SELECT sum(n) FROM ({union}) AS counted").fetchone()  # type: ignore[arg-type]
    assert row is not None and row[0] > 0
    return int(row[0])
