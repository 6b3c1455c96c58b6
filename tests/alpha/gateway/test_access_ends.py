"""Calls under way end when the access that they were made by ends, on every worker."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx2 as httpx
import pytest
from django.db import transaction

from alpha.gateway.config import GatewayConfig
from alpha.models import Grant, Key, UsageEvent
from alpha.services import grants, keys
from infra import clock
from releases.models import Release
from releases.services.arms import end_arm, start_arm
from releases.services.rejections import reject_checkpoint
from releases.services.releases import demote_release, halt_release, resume_release, roll_back
from tests import builders
from tests.alpha.builders import ACTOR, Access, release_of
from tests.alpha.gateway.conftest import chat
from tests.alpha.gateway.server import Running, running, usage_of, wait_for
from tests.alpha.gateway.test_limits import counters
from tests.alpha.gateway.test_metering import Killable
from tests.alpha.gateway.upstream import Upstream
from tests.patience import on_a_busy_machine

REASON = "It answered with other people's secrets."
WITHIN_S = 1.0


@dataclass
class Caller:
    """One client in a thread of its own, reading its answer to the end."""

    worker: Running | Killable
    granted: Access
    body: dict[str, Any]
    status: int = 0
    text: str = ""
    request_id: str = ""
    ended_at: float = 0.0
    _thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._call, daemon=True)
        self._thread.start()

    def _call(self) -> None:
        headers = {"authorization": f"Bearer {self.granted.key_text}"}
        url = f"{self.worker.url}/chat/completions"
        with httpx.stream("POST", url, json=self.body, headers=headers, timeout=60) as reply:
            self.status, self.request_id = reply.status_code, reply.headers["x-request-id"]
            for piece in reply.iter_text():
                self.text += piece
        self.ended_at = time.monotonic()

    def finish(self) -> None:
        self._thread.join(30)
        assert not self._thread.is_alive(), "the answer has no end"


@pytest.fixture
def workers(config: GatewayConfig, gateway: Running) -> Iterator[tuple[Running, Running]]:
    with running(config) as second:
        yield gateway, second


@pytest.fixture
def slow(upstream: Upstream) -> Upstream:
    """Streams of about a minute; whole answers as late."""
    upstream.behaviour.words = ["word "] * 600
    upstream.behaviour.chunk_delay_s = 0.1
    return upstream


def streaming(
    workers: tuple[Running, ...], granted: Access, upstream: Upstream
) -> tuple[Caller, ...]:
    callers = tuple(Caller(worker, granted, chat(stream=True)) for worker in workers)
    for caller in callers:
        wait_for(lambda caller=caller: "word" in caller.text, "the stream has begun")
    assert upstream.n_streaming == len(workers)
    return callers


def halt(granted: Access) -> None:
    halt_release(actor=ACTOR, release=granted.release, reason=REASON)


def halt_and_demote(granted: Access) -> None:
    """In one transaction: the workers see the end of the release alone."""
    with transaction.atomic():
        halt(granted)
        demote_release(actor=ACTOR, release=Release.objects.get(), reason=REASON)


def halt_and_resume(granted: Access) -> None:
    manager = builders.cast().release_manager
    with transaction.atomic():
        halt(granted)
        resume_release(actor=manager, release=Release.objects.get(), reason="A false alarm.")


def demote(granted: Access) -> None:
    demote_release(actor=ACTOR, release=granted.release, reason=REASON)


def reject(granted: Access) -> None:
    manager = builders.cast().release_manager
    reject_checkpoint(actor=manager, checkpoint=granted.checkpoint, reason=REASON)


def back(granted: Access) -> None:
    """To a release that served the stage before, in good order."""
    earlier = builders.checkpoint("chat-nano-0")
    builders.deployment(earlier, granted.deployment.base_url)
    before = release_of(earlier, granted.stage, "candidate", clock.now() - timedelta(days=9), 0)
    ended = {"state": "ended", "ended_at": clock.now() - timedelta(days=1), "verified": True}
    Release.objects.filter(pk=before.pk).update(**ended)
    roll_back(actor=ACTOR, stage=granted.stage, size="nano", reason=REASON)


def revoke_key(granted: Access) -> None:
    keys.revoke_key(actor=ACTOR, key=granted.key, reason="it was published")


def expire_key(granted: Access) -> None:
    Key.objects.update(expires_at=clock.now() + timedelta(seconds=0.5))


def revoke_grant(granted: Access) -> None:
    grants.revoke_grant(actor=ACTOR, grant=granted.grant, reason="the alpha is over")


def end_grant(granted: Access) -> None:
    Grant.objects.update(ends_at=clock.now() + timedelta(seconds=0.5))


ENDS = [
    (halt, "release_halted", "the release was halted"),
    (halt_and_demote, "model_not_found", "the release was halted"),
    (halt_and_resume, "release_halted", "the release was halted"),
    (demote, "model_not_found", "the release was withdrawn"),
    (reject, "model_not_found", "the release was withdrawn"),
    (back, "release_withdrawn", "the release was withdrawn"),
    (revoke_key, "invalid_api_key", "the key was revoked or expired"),
    (expire_key, "invalid_api_key", "the key was revoked or expired"),
    (revoke_grant, "model_not_found", "the grant was revoked or ended"),
    (end_grant, "model_not_found", "the grant was revoked or ended"),
]


@pytest.mark.parametrize(
    ("act", "code", "problem"), ENDS, ids=lambda value: getattr(value, "__name__", None)
)
def test_running_streams_end_on_every_worker(
    workers: tuple[Running, Running],
    granted: Access,
    slow: Upstream,
    config: GatewayConfig,
    act: Callable[[Access], None],
    code: str,
    problem: str,
) -> None:
    Grant.objects.update(budget_micros=10**9, concurrent_requests=10)
    callers = streaming(workers, granted, slow)
    since = time.monotonic()
    act(granted)
    for caller in callers:
        caller.finish()
        assert caller.ended_at - since < on_a_busy_machine(WITHIN_S)
        assert "[DONE]" not in caller.text
        last = caller.text.rstrip("\n").rsplit("\n\n", 1)[-1]
        assert last.startswith('event: error\ndata: {"error":{"message":')
        assert f'"code":"{code}"' in last
    wait_for(lambda: slow.n_streaming == 0, "the upstream is closed", 3)
    for caller in callers:
        event = usage_of(caller.request_id)
        assert (event.state, event.http_status, event.problem) == ("stopped", 200, problem)
        assert 0 < event.tokens_out < 600
    assert counters(granted, config) | {"spent": 0} == {
        "held": 0,
        "spent": 0,
        "live": 0,
        "holds": 0,
    }
    assert [len(worker.parts.under_way) for worker in workers] == [0, 0]


def test_a_whole_call_of_a_halted_release_is_answered_as_the_next_one(
    workers: tuple[Running, Running], granted: Access, upstream: Upstream
) -> None:
    upstream.behaviour.delay_s = 30
    callers = [Caller(worker, granted, chat()) for worker in workers]
    wait_for(lambda: len(upstream.seen) == 2, "both calls are under way")
    since = time.monotonic()
    halt(granted)
    for caller in callers:
        caller.finish()
        assert caller.ended_at - since < on_a_busy_machine(WITHIN_S)
        assert caller.status == 503 and '"code":"release_halted"' in caller.text
        event = usage_of(caller.request_id)
        assert (event.state, event.http_status, event.tokens_out) == ("stopped", 503, 0)
    next_one = Caller(workers[0], granted, chat())
    next_one.finish()
    assert (next_one.status, next_one.text) == (503, callers[0].text)


def test_a_stream_of_a_demoted_release_ends_with_the_reveal_text(
    gateway: Running, granted: Access, slow: Upstream
) -> None:
    granted.codename.reveal_text = "That was chat-nano. Thank you."
    granted.codename.save(update_fields=["reveal_text"])
    [caller] = streaming((gateway,), granted, slow)
    demote(granted)
    caller.finish()
    assert '"message":"That was chat-nano. Thank you."' in caller.text.rsplit("\n\n", 2)[-2]
    next_one = Caller(gateway, granted, chat())
    next_one.finish()
    assert (next_one.status, "That was chat-nano." in next_one.text) == (404, True)


def test_a_replacement_lets_running_streams_finish(
    workers: tuple[Running, Running], granted: Access, upstream: Upstream
) -> None:
    upstream.behaviour.words = ["word "] * 20
    upstream.behaviour.chunk_delay_s = 0.1
    callers = streaming(workers, granted, upstream)
    replace_it(granted, upstream)
    for worker in workers:
        wait_for(lambda worker=worker: _is_gone(worker, granted), "the worker knows")
    for caller in callers:
        caller.finish()
        assert caller.text.endswith("data: [DONE]\n\n")
        assert usage_of(caller.request_id).state == "succeeded"


def replace_it(granted: Access, upstream: Upstream) -> None:
    """By the next checkpoint, in good order."""
    better = builders.checkpoint("chat-nano-2")
    builders.deployment(better, upstream.url)
    release, now = Release.objects.get(pk=granted.release.pk), clock.now()
    with transaction.atomic():
        end_arm(ACTOR, release, now, "Replaced by chat-nano-2.", verified=True)
        start_arm(ACTOR, stage=granted.stage, checkpoint=better, promotion=None, now=now)


def _is_gone(worker: Running, granted: Access) -> bool:
    table = worker.parts.tables.table
    assert table is not None
    return granted.release.pk not in {r.id for found in table.releases.values() for r in found}


def test_the_other_arms_streams_and_other_partners_go_on(
    gateway: Running, granted: Access, slow: Upstream
) -> None:
    other = builders.checkpoint("chat-nano-2")
    builders.deployment(other, slow.url)
    Release.objects.filter(pk=granted.release.pk).update(share=100)
    candidate = release_of(other, granted.stage, "candidate", share=0)
    [caller] = streaming((gateway,), granted, slow)
    halt_release(actor=ACTOR, release=candidate, reason=REASON)
    wait_for(lambda: _knows_halt(gateway, candidate), "the worker knows")
    seen = len(caller.text)
    wait_for(lambda: len(caller.text) > seen + 500, "the stream goes on")
    halt(granted)
    caller.finish()


def _knows_halt(worker: Running, release: Release) -> bool:
    table = worker.parts.tables.table
    return table is not None and release.pk in table.halted


def test_a_client_that_does_not_read_can_not_keep_a_halted_stream(
    gateway: Running, granted: Access, upstream: Upstream
) -> None:
    upstream.behaviour.words = ["x" * 50_000] * 2000
    headers = {"authorization": f"Bearer {granted.key_text}"}
    url = f"{gateway.url}/chat/completions"
    with httpx.stream("POST", url, json=chat(stream=True), headers=headers) as reply:
        assert reply.status_code == 200
        time.sleep(1)
        halt(granted)
        event = wait_for(UsageEvent.objects.first, "the usage landed", 5)
        assert event.state == "stopped"
        wait_for(lambda: upstream.n_streaming == 0, "the upstream is closed", 5)
        wait_for(lambda: len(gateway.parts.under_way) == 0, "the call is over", 5)


def test_a_call_whose_body_was_sent_slowly_is_not_served_by_the_table_before_the_halt(
    gateway: Running, granted: Access, upstream: Upstream
) -> None:
    body, headers = json.dumps(chat()), {"authorization": f"Bearer {granted.key_text}"}

    def pieces() -> Iterator[bytes]:
        yield body[:20].encode()
        wait_for(lambda: gateway._server.server_state.tasks, "the call is under way")
        time.sleep(0.2)
        halt(granted)
        wait_for(lambda: _knows_halt(gateway, granted.release), "the worker knows")
        yield body[20:].encode()

    with httpx.Client(base_url=gateway.url, headers=headers) as client:
        reply = client.post("/chat/completions", content=pieces(), timeout=30)
    assert (reply.status_code, reply.json()["error"]["code"]) == (503, "release_halted")
    assert upstream.seen == []
    assert usage_of(reply.headers["x-request-id"]).state == "stopped"
