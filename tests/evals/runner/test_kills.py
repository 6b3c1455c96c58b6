"""Workers killed in the middle of a run: nothing lost, nothing twice, little called again."""

from __future__ import annotations

import random
import time
from collections import Counter
from datetime import timedelta

import pytest

from evals.models import Result, Run
from evals.runner import leases, shards
from evals.services import runs
from infra import clock
from tests.evals import builders, worker
from tests.evals.upstream import Upstream

# Kills, races and real time.
pytestmark = pytest.mark.long
CONCURRENCY = 8


def kill_after(n_calls: int, upstream: Upstream, run: Run, database: str) -> int:
    """Begin a worker, kill it once it called that often; how often it really called."""
    before = upstream.n_calls
    process = worker.begin(run.shards.get().pk, database)
    while upstream.n_calls - before < n_calls and process.poll() is None:
        time.sleep(0.002)
    process.kill()
    process.wait()
    return upstream.n_calls - before


def take_over(run: Run) -> None:
    """What the next worker does once the dead one's lease is over."""
    with clock.moved_by(leases.LEASE + timedelta(seconds=1)):
        leases.sweep()


def assert_whole(run: Run, upstream: Upstream, n_kills: int) -> None:
    """Every (case, repeat) once, all right, and the calls made again within the bound."""
    run.refresh_from_db()
    pairs = Counter(Result.objects.filter(run=run).values_list("case_id", "repeat"))
    assert run.state == "completed", run.problem
    assert (len(pairs), set(pairs.values())) == (run.n_expected, {1})
    assert set(Result.objects.filter(run=run).values_list("state", flat=True)) == {"passed"}
    again = upstream.n_calls - run.n_expected
    assert 0 <= again <= 2 * CONCURRENCY * n_kills


def test_a_killed_worker_costs_only_what_was_in_flight(
    committed_db: str, valkey: str, upstream: Upstream
) -> None:
    upstream.delay_s = 0.01
    version = builders.published(100)
    run = builders.start(
        version, builders.served(upstream.base_url), repeats=2, concurrency=CONCURRENCY
    )
    called = kill_after(60, upstream, run, committed_db)
    recorded = Result.objects.filter(run=run).count()
    assert 0 < recorded < run.n_expected
    assert called - recorded <= 2 * CONCURRENCY
    shards.run_shard(run.shards.get().pk)
    assert Result.objects.filter(run=run).count() == recorded, "the lease still holds"
    take_over(run)
    shards.run_shard(run.shards.get().pk)
    assert_whole(run, upstream, n_kills=1)
    assert run.metrics.get(node="").n_cases == 100


def test_a_worker_that_lost_its_lease_adds_nothing(
    committed_db: str, valkey: str, upstream: Upstream
) -> None:
    upstream.delay_s = 0.02
    run = builders.start(
        builders.published(100), builders.served(upstream.base_url), concurrency=CONCURRENCY
    )
    process = worker.begin(run.shards.get().pk, committed_db)
    while upstream.n_calls < 20:
        time.sleep(0.002)
    take_over(run)
    shards.run_shard(run.shards.get().pk)
    process.wait(timeout=30)
    # It goes on until its next look, a quarter of a second later, and adds nothing.
    assert_whole(run, upstream, n_kills=8)


def test_a_cancelled_run_stops_its_worker(
    committed_db: str, valkey: str, upstream: Upstream
) -> None:
    upstream.delay_s = 0.05
    run = builders.start(
        builders.published(1000), builders.served(upstream.base_url), concurrency=CONCURRENCY
    )
    process = worker.begin(run.shards.get().pk, committed_db)
    while upstream.n_calls < 20:
        time.sleep(0.002)
    runs.cancel_run(actor=builders.DEMO, run=run, reason="wrong checkpoint")
    process.wait(timeout=30)
    assert upstream.n_calls < 100
    assert Result.objects.filter(run=run).count() < run.n_expected


def test_kills_at_twenty_random_moments(committed_db: str, valkey: str, upstream: Upstream) -> None:
    moments = random.Random(4)
    upstream.delay_s = 0.005
    run = builders.start(
        builders.published(2000), builders.served(upstream.base_url), concurrency=CONCURRENCY
    )
    for _ in range(20):
        kill_after(moments.randint(1, 120), upstream, run, committed_db)
        take_over(run)
    shards.run_shard(run.shards.get().pk)
    assert_whole(run, upstream, n_kills=20)
