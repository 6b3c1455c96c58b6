"""Caps on money, tokens and time; pause and resume, whatever dies on the way."""

from __future__ import annotations

import threading
import time
from collections import Counter
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction

from evals.caps import Caps
from evals.models import Result, Run
from evals.runner import leases, shards
from evals.services import run_controls, runs
from evals.services.comparisons import compare
from infra import clock
from infra.errors import InvalidInput, InvalidMove, NotPermitted
from infra.models import AuditEntry
from releases.models import Checkpoint
from tests import builders as shared
from tests.evals import builders, worker
from tests.evals.upstream import Upstream, completion

# Kills, races and real time.
pytestmark = pytest.mark.long
CONCURRENCY = 4
COST_OF_ONE = 28
TOKENS_OF_ONE = 24


def priced(upstream: Upstream, name: str = "chat-nano-1") -> Checkpoint:
    """A checkpoint whose every answer costs 28 micro-units and 24 tokens."""
    checkpoint = builders.served(upstream.base_url, name)
    checkpoint.prices.create(
        currency="EUR",
        input_micros_per_million=1_000_000,
        cached_input_micros_per_million=1_000_000,
        output_micros_per_million=2_000_000,
        effective_at=clock.now() - timedelta(days=1),
    )
    return checkpoint


def states(run: Run) -> Counter[str]:
    return Counter(Result.objects.filter(run=run).values_list("state", flat=True))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("caps", "of_one", "most", "word"),
    [
        (Caps(most_cost_micros=20 * COST_OF_ONE), COST_OF_ONE, 20 * COST_OF_ONE, "on money"),
        (Caps(most_tokens=20 * TOKENS_OF_ONE), TOKENS_OF_ONE, 20 * TOKENS_OF_ONE, "tokens"),
    ],
)
def test_a_cap_stops_within_one_call_a_slot_and_leaves_a_partial(
    upstream: Upstream, caps: Caps, of_one: int, most: int, word: str
) -> None:
    upstream.delay_s = 0.01
    version = builders.published(100)
    run = builders.start(version, priced(upstream), concurrency=CONCURRENCY, caps=caps)
    done = builders.execute(run)
    assert (done.state, word in done.ended_because) == ("completed", True)
    assert most <= upstream.n_calls * of_one < most + CONCURRENCY * of_one
    assert states(run) == {"passed": upstream.n_calls, "skipped": 100 - upstream.n_calls}
    root = run.metrics.get(node="")
    assert (root.n_cases, root.n_missing) == (upstream.n_calls, 100 - upstream.n_calls)
    assert AuditEntry.objects.filter(action="run.ended_early").count() == 1


@pytest.mark.django_db
def test_a_cap_on_time_skips_the_rest(upstream: Upstream) -> None:
    upstream.delay_s = 0.05
    version = builders.published(400)
    checkpoint = builders.served(upstream.base_url)
    run = builders.start(version, checkpoint, caps=Caps(most_seconds=1))
    done = builders.execute(run)
    assert "1 s on time" in done.ended_because
    found = states(run)
    assert found["passed"] == upstream.n_calls > 0
    assert found["passed"] + found["skipped"] == 400


@pytest.mark.django_db
def test_a_cap_that_the_last_case_reaches_skips_nothing(upstream: Upstream) -> None:
    version = builders.published(12)
    caps = Caps(most_tokens=12 * TOKENS_OF_ONE)
    done = builders.execute(builders.start(version, priced(upstream), caps=caps))
    assert (done.ended_because, states(done)) == ("", {"passed": 12})


@pytest.mark.django_db
def test_tokens_that_nobody_counts_keep_no_cap(upstream: Upstream) -> None:
    silent = completion("word-0")
    body = silent.body.replace(b'"usage"', b'"not_usage"')
    upstream.rules.append(lambda text, n: type(silent)(body=body, headers=silent.headers))
    run = builders.start(builders.published(50), priced(upstream), caps=Caps(most_tokens=10**6))
    done = builders.execute(run)
    assert "did not count the tokens" in done.ended_because
    assert upstream.n_calls <= run.concurrency


@pytest.mark.django_db
def test_what_was_skipped_is_missing_to_a_comparison(upstream: Upstream) -> None:
    version = builders.published(60)
    baseline = builders.execute(builders.start(version, builders.served(upstream.base_url)))
    caps = Caps(most_tokens=30 * TOKENS_OF_ONE)
    partial = builders.start(version, priced(upstream, "chat-nano-2"), caps=caps)
    done = builders.execute(partial)
    root = compare(candidate_run=done, baseline_run=baseline, margin=0.3).nodes[0]
    n_skipped = states(partial)["skipped"]
    assert n_skipped > 20
    assert (root["n_missing"], root["verdict"]) == (n_skipped, "inconclusive")
    assert "missing cases" in root["doubt"]


@pytest.mark.django_db
def test_what_cannot_be_capped(upstream: Upstream) -> None:
    version, checkpoint = builders.published(3), builders.served(upstream.base_url)
    with pytest.raises(InvalidMove, match="no price"):
        builders.start(version, checkpoint, caps=Caps(most_cost_micros=1))
    for caps in (Caps(most_tokens=0), Caps(most_seconds=-1), Caps(most_seconds=2**31)):
        with pytest.raises(InvalidInput, match="choose 1 to"):
            builders.start(version, checkpoint, caps=caps)
    builders.start(version, checkpoint, idempotency_key="k", caps=Caps(most_tokens=5))
    with pytest.raises(InvalidMove, match="differs in most_tokens"):
        builders.start(version, checkpoint, idempotency_key="k", caps=Caps(most_tokens=6))


@pytest.mark.django_db
def test_spending_is_counted_by_one_process(upstream: Upstream) -> None:
    version, checkpoint = builders.published(50), priced(upstream)
    capped = builders.start(version, checkpoint, repeats=50, caps=Caps(most_tokens=10))
    assert capped.shards.count() == 1
    timed = builders.start(version, checkpoint, repeats=50, caps=Caps(most_seconds=10))
    assert timed.shards.count() == 2


def pause_after(n_calls: int, upstream: Upstream, run: Run) -> threading.Thread:
    def act() -> None:
        try:
            while upstream.n_calls < n_calls:
                time.sleep(0.002)
            run_controls.pause_run(actor=builders.DEMO, run=run, reason="look at it first")
        finally:
            connection.close()

    thread = threading.Thread(target=act)
    thread.start()
    return thread


def test_a_pause_records_what_is_under_way_and_a_resume_asks_nothing_twice(
    committed_db: str, valkey: str, upstream: Upstream
) -> None:
    upstream.delay_s = 0.02
    version = builders.published(200)
    run = builders.start(version, builders.served(upstream.base_url), concurrency=CONCURRENCY)
    thread = pause_after(20, upstream, run)
    shards.run_shard(run.shards.get().pk)
    thread.join()
    run.refresh_from_db()
    assert (run.state, run.shards.get().state) == ("paused", "queued")
    assert 0 < upstream.n_calls == Result.objects.filter(run=run).count() < 200
    leases.sweep()
    shards.run_shard(run.shards.get().pk)
    assert upstream.n_calls == Result.objects.filter(run=run).count()
    run_controls.resume_run(actor=builders.DEMO, run=run, reason="it is fine")
    assert builders.execute(run).state == "completed"
    assert (upstream.n_calls, states(run)) == (200, {"passed": 200})
    assert run.paused_seconds > 0


def test_a_pause_reaches_every_worker_within_two_seconds(
    committed_db: str, valkey: str, upstream: Upstream
) -> None:
    upstream.delay_s = 0.02
    version = builders.published(100)
    checkpoint = builders.served(upstream.base_url)
    run = builders.start(version, checkpoint, repeats=40, concurrency=CONCURRENCY)
    processes = [worker.begin(shard.pk, committed_db) for shard in run.shards.all()]
    assert len(processes) == 2
    while upstream.n_calls < 30 or run.shards.exclude(state="running").exists():
        time.sleep(0.01)
    run_controls.pause_run(actor=builders.DEMO, run=run, reason="too dear")
    time.sleep(2)
    n_calls = upstream.n_calls
    for process in processes:
        assert process.wait(timeout=60) == 0
    assert upstream.n_calls == n_calls == Result.objects.filter(run=run).count()


def test_a_worker_killed_while_its_run_is_paused_leaves_it_resumable(
    committed_db: str, valkey: str, upstream: Upstream
) -> None:
    upstream.delay_s = 0.05
    version = builders.published(60)
    run = builders.start(version, builders.served(upstream.base_url), concurrency=CONCURRENCY)
    process = worker.begin(run.shards.get().pk, committed_db)
    while upstream.n_calls < 12:
        time.sleep(0.002)
    run_controls.pause_run(actor=builders.DEMO, run=run, reason="stop")
    process.kill()
    process.wait()
    with clock.moved_by(leases.LEASE + timedelta(seconds=1)):
        assert leases.sweep() == 0
        run_controls.resume_run(actor=builders.DEMO, run=run, reason="go on")
        assert builders.execute(run).state == "completed"
    assert states(run) == {"passed": 60}
    assert upstream.n_calls <= 60 + 2 * CONCURRENCY


@pytest.mark.django_db
def test_a_queued_run_is_paused_before_it_begins(upstream: Upstream) -> None:
    run = builders.start(builders.published(3), builders.served(upstream.base_url))
    run_controls.pause_run(actor=builders.DEMO, run=run, reason="wait for the price")
    assert builders.execute(run).state == "paused"
    assert upstream.n_calls == 0
    run_controls.resume_run(actor=builders.DEMO, run=run, reason="it is there")
    run.refresh_from_db()
    assert (run.state, run.started_at) == ("queued", None)
    assert builders.execute(run).state == "completed"


@pytest.mark.django_db
def test_the_time_cap_does_not_count_a_pause(upstream: Upstream) -> None:
    version, checkpoint = builders.published(3), builders.served(upstream.base_url)
    run = builders.start(version, checkpoint, caps=Caps(most_seconds=60))
    leases.claim(run.shards.get().pk)
    run_controls.pause_run(actor=builders.DEMO, run=run, reason="over night")
    with clock.moved_by(timedelta(hours=9)):
        run_controls.resume_run(actor=builders.DEMO, run=run, reason="good morning")
        assert builders.execute(run).ended_because == ""
    assert states(run) == {"passed": 3}


@pytest.mark.django_db
def test_who_may_pause_what(upstream: Upstream) -> None:
    run = builders.start(builders.published(3), builders.served(upstream.base_url))
    cast = shared.cast()
    for act in (run_controls.pause_run, run_controls.resume_run):
        with pytest.raises(NotPermitted):
            act(actor=cast.auditor, run=run, reason="no")
        with pytest.raises(InvalidInput, match="Say why"):
            act(actor=cast.engineer, run=run, reason=" ")
    with pytest.raises(InvalidMove, match="not paused"):
        run_controls.resume_run(actor=cast.engineer, run=run, reason="go")
    run_controls.pause_run(actor=cast.engineer, run=run, reason="stop")
    with pytest.raises(InvalidMove, match="is paused and can't become paused"):
        run_controls.pause_run(actor=cast.engineer, run=run, reason="stop")
    assert runs.cancel_run(actor=cast.engineer, run=run, reason="enough").state == "cancelled"
    with pytest.raises(InvalidMove):
        run_controls.resume_run(actor=cast.engineer, run=run, reason="go")


@pytest.mark.django_db
def test_the_database_holds_the_same_moves(upstream: Upstream) -> None:
    run = builders.start(builders.published(3), builders.served(upstream.base_url))
    run_controls.pause_run(actor=builders.DEMO, run=run, reason="stop")
    with pytest.raises(DatabaseError), transaction.atomic():
        Run.objects.filter(pk=run.pk).update(state="completed")
