"""Halt and roll back reach the partner's next call while the queue of promotions is being moved."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx2 as httpx
import pytest
from django.db import connections

from alpha.gateway.config import GatewayConfig
from releases.digests import sha256_of
from releases.models import Promotion, Release
from releases.services.promotions import advance_promotions
from releases.states import PromotionState
from tests import builders
from tests.alpha.builders import Access, access
from tests.alpha.gateway.conftest import chat
from tests.alpha.gateway.server import running, wait_for
from tests.alpha.gateway.upstream import Upstream
from tests.builders import Cast
from tests.clients import signed_in
from tests.releases import rollout, story
from tests.releases.test_line_races import SIZES, execute_in_turn, full_queue, queued

AT_MOST_S = 10.0
RAMP = [{"percent": 50, "for": "6h"}]


@pytest.fixture
def cast() -> Cast:
    return builders.cast()


@pytest.fixture
def candidates_upstream() -> Iterator[Upstream]:
    server = Upstream()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def ramping(
    config: GatewayConfig, upstream: Upstream, candidates_upstream: Upstream, cast: Cast
) -> Access:
    """A partner's stage where a candidate has half of the units."""
    granted = access(upstream.url)
    granted.stage.policy = story.policy(story.MANUAL, ramp=RAMP)
    granted.stage.save(update_fields=["policy"])
    candidate = rollout.named("chat-nano-2")
    builders.deployment(candidate, candidates_upstream.url)
    story.promoted(cast, candidate, granted.stage)
    return granted


@pytest.fixture
def calls(config: GatewayConfig, ramping: Access) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {ramping.key_text}"}
    with (
        running(config) as server,
        httpx.Client(base_url=server.url, headers=headers, timeout=20) as client,
    ):
        yield client


def waiting_in(cast: Cast, granted: Access) -> list[Promotion]:
    """One of every other size of the partner's own stage, and sixteen elsewhere."""
    same = [
        builders.checkpoint(f"chat-{size}-9", size=size, checkpoint_digest=sha256_of([size, 9]))
        for size in SIZES
        if size != "nano"
    ]
    granted.stage.policy = story.policy(story.MANUAL, approvals={"required": 0, "groups": []})
    granted.stage.save(update_fields=["policy"])
    return queued(cast, granted.stage, *same) + full_queue(cast)


def one_of_the_candidates(calls: httpx.Client, candidates_upstream: Upstream) -> str:
    """An end user who is on the candidate's side."""
    for _ in range(64):
        user = uuid4().hex
        if _is_served_by(calls, user, candidates_upstream):
            return user
    raise AssertionError("half of the units are the candidate's")


def _is_served_by(calls: httpx.Client, user: str, served_by: Upstream) -> bool:
    before = len(served_by.seen)
    reply = calls.post("/chat/completions", json=chat(user=user))
    assert reply.status_code == 200, reply.text
    return len(served_by.seen) > before


def moved(waiting: list[Promotion]) -> int:
    try:
        return execute_in_turn(waiting)
    finally:
        connections.close_all()


def looked() -> int:
    try:
        return advance_promotions()
    finally:
        connections.close_all()


def halt(stage: str, release: Release) -> str:
    return f"/api/releases/{release.pk}/halt/"


def roll_back(stage: str, release: Release) -> str:
    return f"/api/stages/{stage}/rollback/"


@pytest.mark.long
@pytest.mark.parametrize("to", [halt, roll_back])
def test_a_click_reaches_the_next_call_while_the_queue_is_moved(
    ramping: Access,
    cast: Cast,
    calls: httpx.Client,
    upstream: Upstream,
    candidates_upstream: Upstream,
    to: Callable[[str, Release], str],
    record_property: Callable[[str, object], None],
) -> None:
    waiting = waiting_in(cast, ramping)
    user = one_of_the_candidates(calls, candidates_upstream)
    manager = signed_in("release_manager")
    release = rollout.candidate(ramping.stage)
    n_before = Release.objects.count()
    with ThreadPoolExecutor(4) as pool:
        work = [pool.submit(moved, part) for part in (waiting[:10], waiting[10:])]
        work += [pool.submit(looked) for _ in range(2)]
        wait_for(lambda: Release.objects.count() > n_before, "the queue moves", 30)
        clicked = time.monotonic()
        body = {"reason": "odd answers", "size": "nano"}
        reply = manager.post(to(str(ramping.stage.pk), release), body, format="json")
        assert reply.status_code == 200, reply.content
        answered_s = time.monotonic() - clicked
        n_left = Promotion.objects.exclude(state=PromotionState.PROMOTED.value).count()
        began = wait_for(lambda: _began_at_the_incumbent(calls, user, upstream), "it is served")
        took_s = began - clicked
        served = [_is_served_by(calls, user, upstream) for _ in range(20)]
        assert sum(future.result(60) for future in work[:2]) > 0
    assert n_left > 0, "the click came while promotions were waiting"
    assert all(served), "none goes back to the candidate"
    shown = f"answered after {answered_s:.2f} s, served after {took_s:.2f} s, {n_left} waiting"
    record_property(to.__name__, shown)
    assert took_s < AT_MOST_S, shown


def _began_at_the_incumbent(calls: httpx.Client, user: str, upstream: Upstream) -> float | None:
    """When the call began that the incumbent served."""
    began = time.monotonic()
    return began if _is_served_by(calls, user, upstream) else None
