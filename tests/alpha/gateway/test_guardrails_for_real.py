"""A candidate that starts to fail, behind the running gateway, stops by itself."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from uuid import uuid4

import httpx2 as httpx
import pytest
from django.db import connection

from alpha.gateway.config import GatewayConfig
from alpha.models import UsageEvent
from alpha.tasks import close_batches
from infra import clock
from releases.models import Guardrail, Hold, Release
from releases.services.guardrails import SHIPPED_AFTER, count_exposed
from releases.states import ReleaseState, Watch
from releases.tasks import watch
from tests import builders
from tests.alpha.builders import Access, access
from tests.alpha.gateway.conftest import chat
from tests.alpha.gateway.server import Running, running, wait_for
from tests.alpha.gateway.upstream import Behaviour, Upstream
from tests.releases import rollout, story

GUARDRAIL = {"id": "errors", "kind": "error_rate", "ratio_at_most": 2.0, "action": "rollback"}
RAMP = [{"percent": 50, "for": "6h"}]
BROKEN = Behaviour(raw="out of memory", status=500)
AT_ONCE = 8
WITHIN_S = 60.0


@pytest.fixture
def candidates_upstream() -> Iterator[Upstream]:
    server = Upstream()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def ramping(config: GatewayConfig, upstream: Upstream, candidates_upstream: Upstream) -> Access:
    """A partner's stage where a candidate has half of the units, watched for errors."""
    granted = access(upstream.url)
    stage = granted.stage
    stage.policy = story.policy(story.MANUAL, ramp=RAMP, guardrails=[GUARDRAIL])
    stage.save(update_fields=["policy"])
    candidate = rollout.named("chat-nano-2")
    builders.deployment(candidate, candidates_upstream.url)
    story.promoted(builders.cast(), candidate, stage)
    assert rollout.shares(stage) == {
        "chat-nano-1": ("incumbent", 50),
        "chat-nano-2": ("candidate", 50),
    }
    return granted


@pytest.fixture
def beat(ramping: Access) -> Iterator[None]:
    """What the scheduler does every few seconds, until the test ends."""
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.3):
            close_batches()
            watch()
        connection.close()

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    yield
    over.set()
    thread.join(20)
    assert not thread.is_alive()


@pytest.fixture
def calls(config: GatewayConfig, ramping: Access) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {ramping.key_text}"}
    with running(config) as server:
        yield from _client(server, headers)


def _client(server: Running, headers: dict[str, str]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, headers=headers, timeout=20) as client:
        yield client


def send(calls: httpx.Client, number: int) -> list[int]:
    """The statuses of that many calls, each of another end user."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        replies = pool.map(
            lambda _: calls.post("/chat/completions", json=chat(user=uuid4().hex)), range(number)
        )
        return [reply.status_code for reply in replies]


def test_a_candidate_that_starts_to_fail_is_rolled_back_by_itself(
    ramping: Access, calls: httpx.Client, beat: None, candidates_upstream: Upstream
) -> None:
    assert set(send(calls, 200)) == {200}
    healthy = rollout.candidate(ramping.stage)
    failing_from = clock.now()
    candidates_upstream.behaviour = BROKEN

    ended = wait_for(lambda: _send_until_it_ends(calls, healthy), "it is rolled back", WITHIN_S)

    assert ended.state == ReleaseState.ENDED
    assert rollout.shares(ramping.stage) == {"chat-nano-1": ("incumbent", 100)}
    guardrail = Guardrail.objects.get(release=healthy)
    assert guardrail.watch == Watch.HARM
    assert guardrail.fired_at is not None
    assert guardrail.sentence in ended.end_reason
    assert Hold.objects.get(checkpoint__name="chat-nano-2", lifted_at=None).owner is None
    wait_for(lambda: set(send(calls, 20)) == {200}, "everybody is served again")
    _exposure_is_reported(guardrail, failing_from)


def _send_until_it_ends(calls: httpx.Client, release: Release) -> Release | None:
    send(calls, 2 * AT_ONCE)
    return Release.objects.filter(pk=release.pk, ended_at__isnull=False).first()


def _exposure_is_reported(guardrail: Guardrail, failing_from: datetime) -> None:
    """All that the candidate served since its last good batch; at least all that failed."""
    assert guardrail.worse_since is not None
    assert (
        guardrail.worse_since
        <= failing_from + timedelta(seconds=1)
        <= guardrail.fired_at + timedelta(seconds=1)
    )
    count_exposed(guardrail.fired_at + SHIPPED_AFTER + timedelta(seconds=1))
    guardrail.refresh_from_db()
    met = UsageEvent.objects.filter(
        release=guardrail.release_id,
        started_at__gte=guardrail.worse_since,
        started_at__lte=guardrail.fired_at,
    )
    n_failed = met.filter(http_status__gte=500, started_at__gte=failing_from).count()
    assert guardrail.n_exposed == met.count() >= n_failed > 0
