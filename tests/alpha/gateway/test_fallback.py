"""Another deployment of the same checkpoint is tried once, before the first byte, and recorded."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import httpx2 as httpx
import pytest

from releases.models import Deployment
from tests import builders
from tests.alpha.builders import Access
from tests.alpha.gateway.conftest import chat
from tests.alpha.gateway.server import Running, usage_of, wait_for
from tests.alpha.gateway.upstream import Upstream


@pytest.fixture
def second() -> Iterator[Upstream]:
    server = Upstream()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def standby(granted: Access, second: Upstream, gateway: Running) -> Deployment:
    """Of weight 0: nothing goes there but what falls back."""
    row = builders.deployment(granted.checkpoint, second.url, weight=0)
    wait_for(lambda: _knows(gateway, row.pk), "the deployment is known")
    return row


def _knows(worker: Running, deployment_id: UUID) -> bool:
    table = worker.parts.tables.table
    assert table is not None
    releases = [release for found in table.releases.values() for release in found]
    places = [place.id for release in releases for place in release.checkpoint.deployments]
    return deployment_id in places


@pytest.mark.parametrize("how", ["500", "503", "connection refused"])
def test_a_failure_before_the_first_byte_is_answered_by_the_other_deployment(
    http: httpx.Client,
    granted: Access,
    upstream: Upstream,
    second: Upstream,
    standby: Deployment,
    how: str,
) -> None:
    if how.isdigit():
        upstream.behaviour.status, upstream.behaviour.raw = int(how), "PLANTED-WORDS"
    else:
        upstream.stop()
    why = f"upstream answered {how}" if how.isdigit() else "unreachable"
    for n_asked, stream in enumerate((False, True), 1):
        reply = http.post("/chat/completions", json=chat(stream=stream))
        assert reply.status_code == 200 and "Hello" in reply.text
        assert len(second.seen) == n_asked
        event = usage_of(reply.headers["x-request-id"])
        assert (event.state, event.deployment_id, event.tokens_out) == ("succeeded", standby.pk, 3)
        assert event.problem.startswith(f"fallback from deployment {granted.deployment.pk}: ")
        assert why in event.problem and "PLANTED" not in event.problem


def test_the_other_deployment_failing_too_is_the_end(
    http: httpx.Client, upstream: Upstream, second: Upstream, standby: Deployment
) -> None:
    for server in (upstream, second):
        server.behaviour.status, server.behaviour.raw = 500, "broken"
    reply = http.post("/chat/completions", json=chat())
    assert reply.status_code == 502
    assert (len(upstream.seen), len(second.seen)) == (1, 1)
    event = usage_of(reply.headers["x-request-id"])
    assert (event.state, event.deployment_id) == ("failed", standby.pk)
    assert event.problem.count("upstream answered 500") == 2


def test_a_refusal_of_the_request_is_not_tried_elsewhere(
    http: httpx.Client, upstream: Upstream, second: Upstream, standby: Deployment
) -> None:
    for status in (400, 401, 404, 408, 429):
        upstream.behaviour.status, upstream.behaviour.raw = status, "no"
        assert http.post("/chat/completions", json=chat()).status_code >= 400
    assert len(upstream.seen) == 5 and second.seen == []


def test_a_stream_that_has_begun_is_not_tried_elsewhere(
    http: httpx.Client, upstream: Upstream, second: Upstream, standby: Deployment
) -> None:
    for die_after in (1, 2):
        upstream.behaviour.die_after = die_after
        reply = http.post("/chat/completions", json=chat(stream=True))
        assert "[DONE]" not in reply.text and second.seen == []
        assert usage_of(reply.headers["x-request-id"]).state == "failed"


def test_another_checkpoints_deployment_is_never_asked(
    http: httpx.Client, granted: Access, upstream: Upstream, second: Upstream
) -> None:
    builders.deployment(builders.checkpoint("chat-nano-2"), second.url)
    upstream.behaviour.status, upstream.behaviour.raw = 500, "broken"
    assert http.post("/chat/completions", json=chat()).status_code == 502
    assert second.seen == []


def test_a_disabled_deployment_is_never_asked(
    http: httpx.Client, granted: Access, upstream: Upstream, second: Upstream
) -> None:
    builders.deployment(granted.checkpoint, second.url, state="disabled")
    upstream.behaviour.status, upstream.behaviour.raw = 500, "broken"
    assert http.post("/chat/completions", json=chat()).status_code == 502
    assert second.seen == []
