"""How many calls an endpoint takes, found together: real Valkey, real HTTP."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from itertools import count
from typing import Any
from uuid import uuid4

import pytest
import uvloop

from evals.models import PaceChange
from evals.runner.pace import FIRST_LIMIT, LOOK_S, MANY, SharedPace
from evals.services import runs
from infra import clock
from infra.errors import InvalidInput
from infra.inference import CompletionFailed, Ending, FastClient, RetryPolicy
from tests.evals import builders
from tests.evals.fast_upstream import serving
from tests.evals.upstream import Upstream, failure

# Kills, races and real time.
pytestmark = pytest.mark.long
LATENCY_MS = 200
NO_VALKEY = "unix:///nowhere/valkey.sock?db=0"


def looking(pace: SharedPace, act: Callable[[], Awaitable[Any]]) -> Any:
    """What `act` returns while another thread looks at the shared limit."""
    is_over = threading.Event()

    def look() -> None:
        while not is_over.wait(0.02):
            pace.look()

    looker = threading.Thread(target=look)
    looker.start()
    try:
        return uvloop.run(act())
    finally:
        is_over.set()
        looker.join()
        pace.close()


class Worker(threading.Thread):
    """Calls an upstream for some seconds, as one shard does."""

    def __init__(self, base_url: str, valkey: str, own: int, seconds: float) -> None:
        super().__init__()
        self.pace = SharedPace(endpoint=base_url, redis_url=valkey, own=own)
        retry = RetryPolicy(outlasts_throttling=True)
        self.client = FastClient(base_url=base_url, pace=self.pace, retry=retry)
        self.own, self.ends_at = own, time.monotonic() + seconds
        self.n_failed = 0

    def run(self) -> None:
        looking(self.pace, self.call_all)

    async def call_all(self) -> None:
        numbers = count()
        await asyncio.gather(*(self.call_some(numbers) for _ in range(self.own)))
        await self.client.close()

    async def call_some(self, numbers: Any) -> None:
        while time.monotonic() < self.ends_at:
            messages = [{"role": "user", "content": f"{id(self)}-{next(numbers)}"}]
            try:
                await self.client.complete({"model": "m", "messages": messages})
            except CompletionFailed:
                self.n_failed += 1


def meet(valkey: str, seconds: float, *options: str) -> tuple[float, float, list[Worker]]:
    """Answers and refusals a second, in the last half of the time; the workers."""
    latency = ("--latency-ms", str(LATENCY_MS), "--log-times")
    with serving(*latency, *options) as upstream:
        began = time.time()
        workers = [Worker(upstream.base_url, valkey, 64, seconds) for _ in range(2)]
        for each in workers:
            each.start()
        for each in workers:
            each.join()
        facts = upstream.facts()
    half_s = seconds / 2

    def rate(name: str) -> float:
        return sum(began + half_s <= at <= began + seconds for at in facts[name]) / half_s

    return rate("answered_at"), rate("refused_at"), workers


@pytest.mark.parametrize("limit", [5, 40])
@pytest.mark.parametrize("retry_after_s", ["0", "1"])
def test_two_workers_meet_a_providers_limit(valkey: str, limit: int, retry_after_s: str) -> None:
    options = ("--limit", str(limit), "--retry-after", retry_after_s)
    answered, refused, workers = meet(valkey, 24.0, *options)
    share = answered * LATENCY_MS / 1000 / limit
    tell(limit=limit, retry_after_s=retry_after_s, share=share, refused=refused / answered)
    assert 0.8 <= share <= 1.2
    assert [each.n_failed for each in workers] == [0, 0]
    assert refused <= 0.1 * answered


@pytest.mark.parametrize(("quota", "window_s"), [(100, 1), (1_000, 10)])
def test_two_workers_use_a_providers_quota(valkey: str, quota: int, window_s: int) -> None:
    options = ("--quota", str(quota), "--quota-s", str(window_s))
    answered, refused, workers = meet(valkey, 40.0, *options)
    share = answered * window_s / quota
    tell(quota=quota, window_s=window_s, share=share, refused=refused / answered)
    assert 0.8 <= share <= 1.2
    assert [each.n_failed for each in workers] == [0, 0]


def tell(**told: Any) -> None:
    sys.stdout.write(json.dumps(told) + "\n")


def test_a_throttled_endpoint_is_cut_once_for_all_calls_of_its_time(valkey: str) -> None:
    pace = SharedPace(endpoint=uuid4().hex, redis_url=valkey, own=64)

    async def act() -> None:
        places = [await pace.enter() for _ in range(FIRST_LIMIT)]
        for part in (places[:8], places[8:]):
            for place in part:
                pace.leave(place, Ending.THROTTLED, None)
            await asyncio.sleep(3 * LOOK_S)

    looking(pace, act)
    (cut,) = pace.taken()
    assert (cut.cause, cut.n_workers) == ("throttled", 1)
    assert cut.limit == pytest.approx(0.7 * FIRST_LIMIT)


def test_a_few_throttled_calls_among_many_cut_nothing(valkey: str) -> None:
    pace = SharedPace(endpoint=uuid4().hex, redis_url=valkey, own=8)

    async def act() -> None:
        for number in range(400):
            ending = Ending.THROTTLED if number % 60 == 59 else Ending.ANSWERED
            pace.leave(await pace.enter(), ending, None)
            await asyncio.sleep(0.002)

    looking(pace, act)
    assert [change.cause for change in pace.taken() if change.cause == "throttled"] == []


def test_the_limit_grows_while_it_is_all_used(valkey: str) -> None:
    pace = SharedPace(endpoint=uuid4().hex, redis_url=valkey, own=200)

    async def call(until: float) -> None:
        while time.monotonic() < until:
            token = await pace.enter()
            await asyncio.sleep(0.02)
            pace.leave(token, Ending.ANSWERED, None)

    async def act() -> None:
        until = time.monotonic() + 1.5
        await asyncio.gather(*(call(until) for _ in range(200)))

    looking(pace, act)
    limits = [change.limit for change in pace.taken()]
    assert limits == sorted(limits)
    assert limits[-1] >= 100, "twice as many each time that as many were answered"


def test_everybody_waits_for_as_long_as_a_closed_upstream_asked(valkey: str) -> None:
    endpoint = uuid4().hex
    one, other = (SharedPace(endpoint=endpoint, redis_url=valkey, own=64) for _ in range(2))

    async def act() -> float:
        other.leave(await other.enter(), Ending.ANSWERED, None)
        for _ in range(MANY):
            one.leave(await one.enter(), Ending.THROTTLED, 1.0)
        began = time.monotonic()
        await asyncio.sleep(3 * LOOK_S)
        await asyncio.to_thread(other.look)
        await asyncio.sleep(0)
        await other.enter()
        return time.monotonic() - began

    assert 0.9 <= looking(one, act) <= 2.5


def test_nobody_waits_for_a_call_that_was_one_too_many(valkey: str) -> None:
    pace = SharedPace(endpoint=uuid4().hex, redis_url=valkey, own=64)

    async def act() -> float:
        began = time.monotonic()
        throttled, answered = await pace.enter(), await pace.enter()
        pace.leave(throttled, Ending.THROTTLED, 30.0)
        pace.leave(answered, Ending.ANSWERED, None)
        pace.leave(await pace.enter(), Ending.ANSWERED, None)
        return time.monotonic() - began

    assert looking(pace, act) < 2.0


def test_with_few_places_everybody_waits_at_once(valkey: str) -> None:
    pace = SharedPace(endpoint=uuid4().hex, redis_url=valkey, own=4)

    async def act() -> float:
        began = time.monotonic()
        pace.leave(await pace.enter(), Ending.THROTTLED, 0.5)
        pace.leave(await pace.enter(), Ending.ANSWERED, None)
        return time.monotonic() - began

    assert 0.5 <= looking(pace, act) < 1.5


def test_nobody_waits_for_an_upstream_that_asks_for_an_hour(valkey: str) -> None:
    pace = SharedPace(endpoint=uuid4().hex, redis_url=valkey, own=4)

    async def act() -> float:
        began = time.monotonic()
        for _ in range(3):
            pace.leave(await pace.enter(), Ending.THROTTLED, 3600.0)
        return time.monotonic() - began

    assert looking(pace, act) < 2.0


def test_an_upstream_that_only_throttles_is_silent_until_it_answers(valkey: str) -> None:
    pace = SharedPace(endpoint=uuid4().hex, redis_url=valkey, own=4)

    async def act() -> tuple[float, float]:
        pace.leave(await pace.enter(), Ending.THROTTLED, None)
        await asyncio.sleep(0.2)
        before = pace.silent_s()
        pace.leave(await pace.enter(), Ending.ANSWERED, None)
        return before, pace.silent_s()

    before, after = looking(pace, act)
    assert (before >= 0.19, after) == (True, 0.0)


def test_without_valkey_the_runs_own_concurrency_holds(caplog: pytest.LogCaptureFixture) -> None:
    pace = SharedPace(endpoint="an-endpoint", redis_url=NO_VALKEY, own=48)

    async def act() -> None:
        async with asyncio.timeout(5):
            for _ in range(48):
                await pace.enter()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await pace.enter()

    with caplog.at_level(logging.WARNING):
        looking(pace, act)
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 1
    assert "an-endpoint go by the run's own concurrency of 48" in told[0]


@pytest.mark.django_db
def test_a_run_keeps_how_its_endpoint_was_throttled(valkey: str, upstream: Upstream) -> None:
    busy = failure(429, Retry_After="0.3")
    upstream.rules.append(lambda text, n: busy if n == 1 and text[-1] == "7" else None)
    upstream.delay_s = 0.01
    run = builders.start(builders.published(200), builders.served(upstream.base_url), concurrency=8)
    done = builders.execute(run)
    assert done.results.filter(state="passed").count() == 200
    assert PaceChange.objects.filter(endpoint=upstream.base_url, cause="throttled").exists()


@pytest.mark.django_db
@pytest.mark.parametrize(("max_retries", "n_calls"), [(0, 1), (1, 2)])
def test_no_more_retries_than_the_run_allows(
    valkey: str, upstream: Upstream, max_retries: int, n_calls: int
) -> None:
    upstream.rules.append(lambda text, n: failure(500, Retry_After="0"))
    run = builders.start(
        builders.published(1), builders.served(upstream.base_url), max_retries=max_retries
    )
    builders.execute(run)
    assert upstream.n_calls == n_calls
    assert run.results.get().n_calls == n_calls


@pytest.mark.django_db
def test_retries_have_a_bound() -> None:
    version, checkpoint = builders.published(1), builders.served("http://127.0.0.1:9/v1")
    for wrong in (-1, runs.MOST_RETRIES + 1):
        with pytest.raises(InvalidInput, match="max_retries"):
            builders.start(version, checkpoint, max_retries=wrong)


@pytest.mark.django_db
def test_the_history_of_a_run_is_its_endpoints_while_it_went_on(valkey: str) -> None:
    from evals.selectors import runs as reads

    run = builders.start(builders.published(1), builders.served("http://127.0.0.1:9/v1"))
    assert list(reads.pace_changes(run)) == []
    run.started_at, run.finished_at = clock.now(), clock.now() + timedelta(seconds=9)
    moments = [run.started_at + timedelta(seconds=s) for s in (-1, 1, 5, 10)]
    for endpoint in ("http://127.0.0.1:9/v1", "http://127.0.0.1:8/v1"):
        for moment in moments:
            PaceChange.objects.create(
                endpoint=endpoint, limit=4, cause="grew", n_workers=1, changed_at=moment
            )
    assert [change.changed_at for change in reads.pace_changes(run)] == [moments[2], moments[1]]
