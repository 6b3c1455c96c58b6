"""A deployment that fails call after call is asked last for a while, then tried again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from uuid import UUID

import httpx2 as httpx
import pytest

from alpha.gateway.config import GatewayConfig
from alpha.gateway.errors import Failure, UpstreamFailed
from alpha.gateway.resting import Resting
from alpha.routing import CheckpointEntry, DeploymentEntry
from tests import builders
from tests.alpha.builders import Access
from tests.alpha.gateway.conftest import chat
from tests.alpha.gateway.server import Running, running, usage_of, wait_for
from tests.alpha.gateway.test_fallback import _knows
from tests.alpha.gateway.upstream import Upstream


def place(number: int, weight: int) -> DeploymentEntry:
    return DeploymentEntry(
        id=UUID(int=number), base_url="http://127.0.0.1:9/v1", upstream_model="m", weight=weight
    )


HEAVY, LIGHT, STANDBY = place(1, 90), place(2, 10), place(3, 0)
DOWN = UpstreamFailed(Failure.UNREACHABLE, "refused", elsewhere=True)
SILENT = UpstreamFailed(Failure.TIMED_OUT, "silent")
REFUSED = UpstreamFailed(Failure.REFUSED_INPUT, "upstream answered 400")
CROWDED = UpstreamFailed(Failure.OVERLOADED, "upstream answered 429")


class World:
    """A worker's memory of deployments, and a clock that stands still."""

    def __init__(self, *places: DeploymentEntry) -> None:
        self.at_s = 0.0
        self.resting = Resting(after=3, rest_s=10, now=lambda: self.at_s)
        self.checkpoint = CheckpointEntry(
            id=UUID(int=9), context_window=4096, deployments=places or (HEAVY, LIGHT, STANDBY)
        )

    def fail(self, at: DeploymentEntry, failed: UpstreamFailed = DOWN, times: int = 3) -> None:
        for _ in range(times):
            self.resting.failed(at.id, failed)

    def drawn(self, n_calls: int = 100) -> dict[int, int]:
        drawn = (self.resting.choose(self.checkpoint, draw) for draw in range(n_calls))
        return dict(Counter(found.id.int for found in drawn))


def test_weights_are_kept_until_three_failures_in_a_row() -> None:
    world = World()
    world.fail(HEAVY, times=2)
    assert world.drawn() == {1: 90, 2: 10}
    world.resting.answered(HEAVY.id)
    world.fail(HEAVY, times=2)
    assert world.drawn() == {1: 90, 2: 10}
    world.fail(HEAVY, times=1)
    assert world.drawn() == {2: 100}


@pytest.mark.parametrize(
    ("failed", "n_resting"), [(DOWN, 1), (SILENT, 1), (REFUSED, 0), (CROWDED, 0)], ids=str
)
def test_only_a_dead_place_rests(failed: UpstreamFailed, n_resting: int) -> None:
    world = World()
    world.fail(HEAVY, failed, times=20)
    assert len(world.resting) == n_resting


def test_a_standby_of_no_weight_answers_while_all_others_rest() -> None:
    world = World()
    world.fail(HEAVY)
    world.fail(LIGHT)
    assert world.drawn() == {3: 100}
    other = world.resting.choose_other(world.checkpoint, STANDBY, 0)
    assert other is not None and other.id in {HEAVY.id, LIGHT.id}


def test_where_all_rest_the_weights_hold_again() -> None:
    world = World(HEAVY, LIGHT)
    world.fail(HEAVY)
    world.fail(LIGHT)
    assert world.drawn() == {1: 90, 2: 10}


def test_the_only_deployment_is_always_tried() -> None:
    world = World(HEAVY)
    world.fail(HEAVY, times=50)
    assert world.drawn(20) == {1: 20}
    assert world.resting.choose_other(world.checkpoint, HEAVY, 0) is None


def test_one_call_a_rest_tries_it_again_until_one_is_answered() -> None:
    world = World(HEAVY, LIGHT)
    world.fail(HEAVY)
    for _ in range(3):
        world.at_s += 10
        assert world.drawn() == {1: 1, 2: 99}, "one trial, whose end nobody knows yet"
        world.fail(HEAVY, times=1)
        world.at_s += 9.9
        assert world.drawn() == {2: 100}
    world.at_s += 10
    assert world.drawn() == {1: 1, 2: 99}
    world.resting.answered(HEAVY.id)
    assert world.drawn() == {1: 90, 2: 10} and len(world.resting) == 0


def test_a_failure_falls_back_to_one_that_does_not_rest() -> None:
    world = World()
    world.fail(LIGHT)
    for draw in range(200):
        other = world.resting.choose_other(world.checkpoint, HEAVY, draw)
        assert other == STANDBY


def test_deployments_that_are_gone_are_forgotten() -> None:
    world = World()
    world.fail(HEAVY)
    world.fail(LIGHT)
    world.resting.only(frozenset({LIGHT.id}))
    assert len(world.resting) == 1 and world.drawn()[1] > 0


@pytest.fixture
def second() -> Iterator[Upstream]:
    server = Upstream()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def worker(config: GatewayConfig, granted: Access, second: Upstream) -> Iterator[Running]:
    """Rests are short; the second deployment has no weight."""
    row = builders.deployment(granted.checkpoint, second.url, weight=0)
    with running(config, rest_s=3.0) as server:
        wait_for(lambda: _knows(server, row.pk), "the deployment is known")
        yield server


@pytest.mark.long
def test_a_dead_deployment_costs_three_calls_and_has_its_share_when_it_is_back(
    granted: Access, upstream: Upstream, second: Upstream, worker: Running
) -> None:
    headers = {"authorization": f"Bearer {granted.key_text}"}
    upstream.behaviour.status, upstream.behaviour.raw = 500, "broken"
    with httpx.Client(base_url=worker.url, headers=headers, timeout=20) as http:

        def call(number: int) -> httpx.Response:
            return http.post("/chat/completions", json=chat(stream=number % 2 == 0))

        replies = [call(number) for number in range(8)]
        assert [reply.status_code for reply in replies] == [200] * 8
        n_rested = 8 - len(upstream.seen)
        # On a machine that stands still for seconds a trial may be among them.
        assert len(second.seen) == 8 and n_rested >= 4
        assert len(worker.parts.resting) == 1
        upstream.behaviour.status, upstream.behaviour.raw = 200, None
        wait_for(lambda: call(1) and len(worker.parts.resting) == 0, "it was tried again", 20)
        before = len(second.seen)
        request_id = call(1).headers["x-request-id"]
        assert len(second.seen) == before
    assert usage_of(request_id).deployment_id == granted.deployment.pk
