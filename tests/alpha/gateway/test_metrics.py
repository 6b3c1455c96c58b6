"""`/metrics`: for whoever has the token, of all workers, with no name that is behind a codename."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx2 as httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from alpha.gateway.config import GatewayConfig
from alpha.gateway.counts import Counts
from alpha.models import Grant
from infra.environment import text
from tests.alpha.builders import Access
from tests.alpha.gateway.conftest import chat
from tests.alpha.gateway.server import Running, running, wait_for
from tests.alpha.gateway.test_access_ends import Caller, streaming
from tests.alpha.gateway.test_metering import Killable
from tests.alpha.gateway.upstream import MARKS, Upstream

TOKEN = "a-metrics-token-of-these-tests"
Sample = dict[tuple[str, ...], float]


@pytest.fixture
def config(config: GatewayConfig) -> GatewayConfig:
    return replace(config, metrics_token=TOKEN)


def scrape(url: str, token: str = TOKEN) -> httpx.Response:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    return httpx.get(f"{url.removesuffix('/v1')}/metrics", headers=headers, timeout=20)


def read(url: str, worker: int | None = None) -> Sample:
    """Name and label values, by label, without the worker -> the sample; of one or added up."""
    reply = scrape(url)
    assert reply.status_code == 200
    found: Sample = {}
    for family in text_string_to_metric_families(reply.text):
        for sample in family.samples:
            labels = dict(sample.labels)
            if worker is not None and labels["worker"] != str(worker):
                continue
            labels.pop("worker")
            key = (
                sample.name.removeprefix("slipway_gateway_"),
                *(labels[label] for label in sorted(labels)),
            )
            found[key] = found.get(key, 0.0) + sample.value
    return found


def test_calls_refusals_failed_keys_and_failures_are_counted(
    http: httpx.Client, gateway: Running, upstream: Upstream
) -> None:
    for stream in (False, True, True):
        http.post("/chat/completions", json=chat(stream=stream))
    http.post("/chat/completions", json={**chat(), "model": "nobody"})
    upstream.behaviour.status, upstream.behaviour.raw = 500, "broken"
    http.post("/chat/completions", json=chat())
    authorization = http.headers["authorization"]
    for sent in ("", "Bearer nonsense", f"Bearer slw_{'a' * 16}_{'b' * 43}", f"{authorization}x"):
        reply = httpx.get(f"{gateway.url}/models", headers={"authorization": sent} if sent else {})
        assert reply.status_code == 401
    found = read(gateway.url)
    assert found["calls_total", "chat/completions", "succeeded"] == 3
    assert found["calls_total", "chat/completions", "failed"] == 1
    assert found["refusals_total", "model_not_found", "404"] == 1
    assert found["refusals_total", "invalid_api_key", "401"] == 4
    assert found["failed_keys_total", "missing"] == 1
    assert sum(n for (name, *_), n in found.items() if name == "failed_keys_total") == 4
    assert found["upstream_failures_total", "broken"] == 1
    assert found["call_seconds_count", "chat/completions"] == 4
    assert found["first_byte_seconds_count", "chat/completions"] == 3
    assert found["call_seconds_bucket", "chat/completions", "+Inf"] == 4
    assert 0 < found["call_seconds_sum", "chat/completions"] < 60


def test_what_is_measured_now(
    gateway: Running, granted: Access, upstream: Upstream, http: httpx.Client
) -> None:
    upstream.behaviour.words, upstream.behaviour.chunk_delay_s = ["word "] * 15, 0.1
    callers: tuple[Caller, ...] = streaming((gateway,), granted, upstream)
    found = read(gateway.url)
    assert found["calls_under_way",] == 1 and found["is_listening",] == 1
    assert 0 <= found["table_age_seconds",] < 60
    assert found["deployments_resting",] == found["reservations_unsettled",] == 0
    for caller in callers:
        caller.finish()
    names = ("calls_under_way", "journal_events_waiting", "journal_bytes_waiting")
    wait_for(lambda: not any(read(gateway.url)[name,] for name in names), "all is shipped")
    assert read(gateway.url)["sources_limited",] == 0
    for _ in range(70):
        httpx.get(f"{gateway.url}/models")
    found = read(gateway.url)
    assert found["sources_limited",] == found["sources_known",] == 1
    assert found["refusals_total", "rate_limit_exceeded", "429"] >= 1


def test_nothing_of_a_partner_a_codename_or_an_upstream_is_told(
    http: httpx.Client, gateway: Running, granted: Access
) -> None:
    http.post("/chat/completions", json=chat())
    said = scrape(gateway.url).text
    names = (granted.partner.name, granted.codename.name, granted.checkpoint.name)
    ids = (granted.checkpoint.pk, granted.release.pk, granted.deployment.pk, granted.key.public)
    hidden = (*names, *map(str, ids), granted.deployment.base_url, "127.0.0.1", *MARKS)
    assert said and [word for word in hidden if word in said] == []


def test_strangers_and_partners_are_refused(gateway: Running, granted: Access) -> None:
    for sent in ("wrong", TOKEN[:-1], f"{TOKEN}x", "\xe9" * 24):
        for header in (f"Bearer {sent}", f"Basic {TOKEN}", TOKEN, ""):
            headers = {"authorization": header.encode("latin-1")} if header else {}
            reply = httpx.get(f"{gateway.url.removesuffix('/v1')}/metrics", headers=headers)
            assert reply.status_code == 401 and "slipway_gateway" not in reply.text
    assert scrape(gateway.url, granted.key_text).status_code == 401


def test_without_a_token_in_the_settings_there_is_no_such_page(
    config: GatewayConfig, granted: Access
) -> None:
    with running(config, metrics_token="") as closed:  # noqa: S106
        for token in ("", TOKEN):
            reply = scrape(closed.url, token)
            assert (reply.status_code, reply.json()["error"]["code"]) == (404, "unknown_url")


@pytest.fixture
def second(
    config: GatewayConfig, granted: Access, committed_db: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Killable]:
    monkeypatch.setenv("SLIPWAY_METRICS_TOKEN", TOKEN)
    assert text("SLIPWAY_METRICS_TOKEN") == TOKEN
    process = Killable(config, committed_db)
    yield process
    process.kill()


@pytest.mark.long
def test_any_worker_tells_the_numbers_of_all_and_a_dead_ones_vanish(
    gateway: Running, granted: Access, http: httpx.Client, second: Killable
) -> None:
    http.post("/chat/completions", json=chat())
    caller = Caller(second, granted, chat())
    caller.finish()
    own, other = os.getpid(), second.process.pid
    key = ("calls_total", "chat/completions", "succeeded")
    wait_for(lambda: read(gateway.url, other).get(key) == 1, "the other's numbers are shared")
    assert read(gateway.url, own)[key] == 1
    wait_for(lambda: read(second.url)[key] == 2, "both tell both")
    second.kill()
    folder = gateway.gateway._config.journal_dir.parent / "metrics"
    long_ago = time.time() - 60
    os.utime(folder / f"{other}.json", (long_ago, long_ago))
    assert not read(gateway.url, other) and not (folder / f"{other}.json").exists()


def test_half_a_file_of_a_dead_worker_does_no_harm(gateway: Running) -> None:
    folder = gateway.gateway._config.journal_dir.parent / "metrics"
    for number, said in enumerate((b'{"worker": "9', b"[]", b"\xff", b'{"form": 0}', b"")):
        (folder / f"99999{number}.json").write_bytes(said)
    assert scrape(gateway.url).status_code == 200


def test_counting_a_call_costs_less_than_ten_microseconds(granted: Access) -> None:
    """Processor time, the best of several: a call costs 400 of them in all."""
    Grant.objects.count()
    counts = Counts()
    event: dict[str, Any] = {
        "endpoint": "chat/completions",
        "state": "succeeded",
        "total_ms": 83.2,
        "first_token_ms": 12.5,
    }

    def once(n_calls: int = 5000) -> float:
        before = time.process_time()
        for _ in range(n_calls):
            counts.call_ended(event)
        return (time.process_time() - before) / n_calls

    assert min(once() for _ in range(7)) < 10e-6
