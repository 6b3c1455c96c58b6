"""Usage is priced to the token, lands soon, and survives the process."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import httpx2 as httpx
import openai
import pytest

from alpha.gateway.config import GatewayConfig
from alpha.gateway.errors import Refusal
from alpha.gateway.journal import Journal
from alpha.gateway.limits import Admission, Estimate
from alpha.gateway.metering import cost_micros
from alpha.gateway.replies import Counted
from alpha.gateway.scopes import scope_of
from alpha.models import Grant, UsageEvent
from alpha.routing import PriceEntry
from infra import clock
from infra.embedded.paths import PROJECT_DIR
from tests.alpha.builders import Access
from tests.alpha.gateway.conftest import chat
from tests.alpha.gateway.counted import holds_of
from tests.alpha.gateway.server import Running, running, wait_for
from tests.alpha.gateway.test_limits import counters
from tests.alpha.gateway.upstream import Upstream
from tests.conftest import database_url
from tests.patience import on_a_busy_machine

PRICE = PriceEntry(
    currency="USD", input=3_000_000, cached_input=1_000_000, output=10_000_000,
    effective_at=clock.now(),
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "counts", "hidden", "expected"),
    [
        ("plain", Counted(tokens_in=10, tokens_out=2), 0, 50),
        ("the hidden prompt is free", Counted(tokens_in=10, tokens_out=2), 4, 38),
        ("cached tokens cost less", Counted(tokens_in=10, tokens_out=0, cached=5), 0, 20),
        ("the hidden prompt was cached", Counted(tokens_in=10, tokens_out=0, cached=5), 4, 16),
        ("nothing", Counted(tokens_in=0, tokens_out=0), 7, 0),
    ],
)
def test_cost_is(name: str, counts: Counted, hidden: int, expected: int) -> None:
    assert cost_micros(PRICE, counts, hidden) == expected, name


def test_cost_rounds_half_up_and_never_overflows() -> None:
    cheap = PriceEntry(currency="USD", input=1, cached_input=1, output=1, effective_at=clock.now())
    assert cost_micros(cheap, Counted(tokens_in=499_999, tokens_out=0), 0) == 0
    assert cost_micros(cheap, Counted(tokens_in=500_000, tokens_out=0), 0) == 1
    assert cost_micros(PRICE, Counted(tokens_in=2**40, tokens_out=0), 0) == 3 * 2**40


def test_without_a_price_nothing_is_charged() -> None:
    assert cost_micros(None, Counted(tokens_in=10, tokens_out=2), 0) == 0


def test_usage_is_in_postgresql_at_once(http: httpx.Client) -> None:
    request_id = http.post("/chat/completions", json=chat()).headers["x-request-id"]
    since = time.monotonic()
    while not UsageEvent.objects.filter(request_id=request_id).exists():
        assert time.monotonic() - since < on_a_busy_machine(0.5)
        time.sleep(0.01)
    event = UsageEvent.objects.get(request_id=request_id)
    assert event.month.day == 1 and event.month == event.started_at.date().replace(day=1)
    assert event.total_ms > 0 and event.ended_at >= event.started_at


def test_the_unit_is_the_first_name_sent(http: httpx.Client) -> None:
    def unit(body: dict[str, object], headers: dict[str, str]) -> str:
        reply = http.post("/chat/completions", json=body, headers=headers)
        return wait_for(
            lambda: UsageEvent.objects.filter(request_id=reply.headers["x-request-id"]).first(),
            "the usage event landed",
        ).unit

    session = {"x-slipway-session": "s1"}
    named = unit(chat(safety_identifier="ann", user="bob"), session)
    assert named == unit(chat(safety_identifier="ann"), {})
    others = {unit(chat(user="bob"), session), unit(chat(), session), unit(chat(), {})}
    assert len(others | {named}) == 4


def test_a_stopped_gateway_leaves_no_journal(config: GatewayConfig, granted: Access) -> None:
    with running(config) as worker:
        headers = {"authorization": f"Bearer {granted.key_text}"}
        url = f"{worker.url}/chat/completions"
        assert httpx.post(url, json=chat(), headers=headers).status_code == 200
    assert UsageEvent.objects.get().state == "succeeded"
    assert list(config.journal_dir.iterdir()) == []


def test_a_full_segment_gives_way_to_the_next_and_goes(
    config: GatewayConfig, granted: Access
) -> None:
    with running(config, segment_bytes=3000) as worker:
        headers = {"authorization": f"Bearer {granted.key_text}"}
        for _ in range(12):
            httpx.post(f"{worker.url}/chat/completions", json=chat(), headers=headers)
        wait_for(lambda: UsageEvent.objects.count() == 12, "all usage landed")
        wait_for(lambda: len(worker.parts.journal.segments) == 1, "done segments are gone")
        assert len(list(config.journal_dir.iterdir())) == 1


def test_a_journal_of_a_living_process_is_left_alone(tmp_path: Path) -> None:
    living, other = Journal(tmp_path, 1000), Journal(tmp_path, 1000)
    living.open()
    other.open()
    living.begin(b"0" * 32, b"{}")
    assert list(other.abandoned()) == []
    living.close()
    (left,) = other.abandoned()
    assert left.unshipped() == [b"S" + b"0" * 32 + b" {}\n"]
    left.close(remove=True)
    other.close()
    assert list(tmp_path.glob("*journal")) == []


def test_a_torn_last_line_does_not_spoil_a_journal(tmp_path: Path) -> None:
    journal = Journal(tmp_path, 1000)
    journal.open()
    segment = journal.begin(b"0" * 32, b"{}")
    os.write(segment.fd, b'E0000 {"torn')
    segment.size += 12
    assert segment.unshipped() == [b"S" + b"0" * 32 + b" {}\n"]
    journal.close()


class Killable:
    """The gateway alone, as an own process that can be killed.

    `database`: a name in the tests' own cluster, or a URL. What the process says goes to `log`.
    """

    def __init__(self, config: GatewayConfig, database: str, log: Path | None = None) -> None:
        self.port = _free_port()
        environment = {
            **os.environ,
            **_secrets(config),
            "SLIPWAY_STATE_DIR": str(config.journal_dir.parent),
            "SLIPWAY_DATABASE_URL": database
            if "://" in database
            else database_url("app", database),
            "SLIPWAY_REDIS_URL": config.redis_url,
            "DJANGO_SETTINGS_MODULE": "infra.settings",
        }
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "uvicorn", "infra.gateway_asgi:application"),
                *("--port", str(self.port), "--loop", "uvloop", "--log-level", "warning"),
            ],
            env=environment,
            cwd=PROJECT_DIR,
            stderr=log.open("ab") if log else None,
        )
        self.url = f"http://127.0.0.1:{self.port}/v1"
        wait_for(self._answers, "the gateway process answers", 30)

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/models").status_code == 401
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_kill_9_in_the_middle_of_streams_loses_no_finished_event(
    config: GatewayConfig, granted: Access, upstream: Upstream, committed_db: str
) -> None:
    Grant.objects.update(budget_micros=10**9, concurrent_requests=50)
    upstream.behaviour.chunk_delay_s = 0.05
    worker = Killable(config, committed_db)
    finished: list[str] = []
    begun: list[str] = []
    callers = [
        threading.Thread(target=_call_until_dead, args=(worker.url, granted, begun, finished))
        for _ in range(8)
    ]
    for caller in callers:
        caller.start()
    wait_for(lambda: len(finished) >= 16, "some streams have finished", 30)
    worker.kill()
    for caller in callers:
        caller.join(10)
    with running(config):
        wait_for(lambda: not list(config.journal_dir.glob("*.journal"))[1:], "the journal is taken")
        states = dict(UsageEvent.objects.values_list("request_id", "state"))
        assert {states[UUID(request)] for request in finished} == {"succeeded"}
        unfinished = {UUID(request) for request in begun} - {UUID(r) for r in finished}
        assert unfinished and {states[request] for request in unfinished} <= {
            "aborted",
            "succeeded",
        }
        assert "aborted" in states.values()
        _only_leases_of_calls_never_begun(granted, config, states)


def _only_leases_of_calls_never_begun(
    granted: Access, config: GatewayConfig, states: dict[UUID, str]
) -> None:
    """A call that was let in and not begun yet when its process died: its lease runs out."""
    left = holds_of(config.redis_url, scope_of(granted.grant.pk, granted.partner.pk))
    assert not {UUID(request) for request in left} & set(states)
    assert all(until / 1000 - time.time() <= config.lease_s for until in left.values())


def test_a_reservation_whose_process_is_gone_is_free_after_its_lease(
    config: GatewayConfig, granted: Access
) -> None:
    Grant.objects.update(budget_micros=100, concurrent_requests=1)
    with running(config, lease_s=1) as worker:
        table = worker.parts.tables.table
        assert table is not None
        grant = table.grants[granted.partner.pk, granted.stage.pk][0]
        key = table.keys[granted.key.public]

        def start(request: str) -> Admission:
            wanted = Estimate(tokens=9, micros=90, bounded=True)
            limits = worker.parts.limits
            return worker.do(limits.start(key, grant, request, lambda: wanted))

        start("a" * 32)
        # Nobody renews it from here on, as after a kill.
        worker.parts.limits.leases.running.clear()
        with pytest.raises(Refusal, match="concurrent"):
            start("b" * 32)
        wait_for(lambda: _starts(start), "the lease is over", 3)
        assert counters(granted, config)["held"] == 90


def _starts(start: Callable[[str], Admission]) -> bool:
    try:
        return start("c" * 32).is_counted
    except Refusal:
        return False


def _call_until_dead(url: str, granted: Access, begun: list[str], finished: list[str]) -> None:
    with openai.OpenAI(base_url=url, api_key=granted.key_text, max_retries=0) as client:
        try:
            while True:
                stream = client.chat.completions.create(**chat(stream=True))
                identifier = ""
                for chunk in stream:
                    if not identifier:
                        identifier = chunk.id.removeprefix("chatcmpl-")
                        begun.append(identifier)
                finished.append(identifier)
        except openai.APIConnectionError:
            return


def _secrets(config: GatewayConfig) -> dict[str, str]:
    """What the process must share with this one to know its keys."""
    other = "o" * 60
    return {
        "SLIPWAY_KEY_PEPPER": config.key_pepper,
        "SLIPWAY_TRANSCRIPT_KEY": config.transcript_key,
        "SLIPWAY_SECRET_KEY": other,
        "SLIPWAY_AUDIT_KEY": other,
    }


def test_the_gateway_alone_loads_no_console(config: GatewayConfig) -> None:
    told = (
        "import sys, infra.gateway_asgi as g; g.gateway(); unwanted = 'django.contrib.admin',"
        " 'scipy', 'celery', 'boto3'; print([name for name in unwanted if name in sys.modules])"
    )
    out = subprocess.run(
        [sys.executable, "-c", told], capture_output=True, text=True, cwd=PROJECT_DIR, check=True
    )
    assert out.stdout.strip() == "[]"


def test_a_gateway_is_one_worker_of_several(gateway: Running, config: GatewayConfig) -> None:
    with running(config) as second:
        assert second.parts.journal.segments[0].path != gateway.parts.journal.segments[0].path
        assert list(second.parts.journal.abandoned()) == []
