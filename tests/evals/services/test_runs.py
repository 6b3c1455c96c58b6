"""Runs: who may start one, once per key, and how it ends."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from django.db import connection

from evals.models import Metric, Run
from evals.runner import leases
from evals.runner.concurrency import CallsInFlight
from evals.runner.storage import write_results
from evals.runner.work import read_work
from evals.services import drafts, runs
from infra.errors import InvalidInput, InvalidMove, NotPermitted
from infra.inference.sdk import OpenAIClient
from infra.models import AuditEntry
from tests import builders as shared
from tests.evals import builders
from tests.evals.upstream import Upstream

NOWHERE = "http://127.0.0.1:9/v1"


def test_twenty_starts_with_one_key_make_one_run(committed_db: str, valkey: str) -> None:
    version = builders.published(12)
    checkpoint = builders.served(NOWHERE)

    def begin(_: int) -> UUID:
        try:
            return builders.start(version, checkpoint, idempotency_key="nightly").pk
        finally:
            connection.close()

    with ThreadPoolExecutor(20) as pool:
        found = set(pool.map(begin, range(20)))
    assert len(found) == 1
    run = Run.objects.get()
    assert run.shards.count() == 1
    assert AuditEntry.objects.filter(action="run.started").count() == 1


@pytest.mark.django_db
def test_runs_without_a_key_are_runs_of_their_own() -> None:
    version, checkpoint = builders.published(3), builders.served(NOWHERE)
    assert builders.start(version, checkpoint).pk != builders.start(version, checkpoint).pk


@pytest.mark.django_db
def test_a_key_belongs_to_what_it_started() -> None:
    version, checkpoint = builders.published(3), builders.served(NOWHERE)
    builders.start(version, checkpoint, idempotency_key="k")
    with pytest.raises(InvalidMove, match="differs in repeats"):
        builders.start(version, checkpoint, idempotency_key="k", repeats=2)
    with pytest.raises(InvalidMove, match="differs in checkpoint"):
        builders.start(version, builders.served(NOWHERE, "other"), idempotency_key="k")


@pytest.mark.django_db
def test_what_cannot_be_run() -> None:
    version = builders.published(3)
    with pytest.raises(InvalidMove, match="no active deployment"):
        builders.start(version, shared.checkpoint("undeployed"))
    checkpoint = builders.served(NOWHERE)
    draft = drafts.draft_of(actor=builders.DEMO, suite=version.suite)
    with pytest.raises(InvalidMove, match="publish it"):
        builders.start(draft, checkpoint)
    for options in ({"repeats": 0}, {"concurrency": 5000}, {"seed": -1}, {"seed": 2**31}):
        with pytest.raises(InvalidInput):
            builders.start(version, checkpoint, **options)


@pytest.mark.django_db
def test_who_may_start_and_cancel() -> None:
    version, checkpoint = builders.published(3), builders.served(NOWHERE)
    cast = shared.cast()
    for actor in (cast.engineer, cast.eval_owner, cast.release_manager):
        run = runs.start_run(actor=actor, version=version, checkpoint=checkpoint)
        runs.cancel_run(actor=actor, run=run, reason="only a test")
    for actor in (cast.auditor, cast.partner_manager, cast.behaviour_reviewer):
        with pytest.raises(NotPermitted):
            runs.start_run(actor=actor, version=version, checkpoint=checkpoint)
        with pytest.raises(NotPermitted):
            runs.cancel_run(actor=actor, run=run, reason="only a test")


@pytest.mark.django_db
def test_large_runs_are_shared_between_two_workers() -> None:
    version, checkpoint = builders.published(50), builders.served(NOWHERE)
    run = builders.start(version, checkpoint, repeats=50)
    assert [(shard.first, shard.last) for shard in run.shards.all()] == [(0, 1249), (1250, 2499)]
    alone = builders.start(version, checkpoint, repeats=50, concurrency=1)
    assert alone.shards.count() == 1


def test_a_run_is_finished_exactly_once(committed_db: str, valkey: str, upstream: Upstream) -> None:
    run = builders.start(builders.published(12), builders.served(upstream.base_url))
    lease = leases.claim(run.shards.get().pk)
    assert lease is not None
    work = read_work(lease)
    with CallsInFlight(work, OpenAIClient(base_url=work.base_url)) as calls:
        while not calls.is_over:
            rows = calls.take(0.1)
            write_results(rows)
            calls.stored(len(rows))
    assert not runs.finish_run(run_id=run.pk), "its shard is not done"
    leases.finish(lease)

    def finish(_: int) -> bool:
        try:
            return runs.finish_run(run_id=run.pk)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(finish, range(8))) == [False] * 7 + [True]
    assert Metric.objects.filter(run=run).count() == 4
    assert AuditEntry.objects.filter(action="run.completed").count() == 1


@pytest.mark.django_db
def test_the_sweep_finishes_what_a_worker_left_unfinished(upstream: Upstream) -> None:
    run = builders.start(builders.published(12), builders.served(upstream.base_url))
    lease = leases.claim(run.shards.get().pk)
    assert lease is not None
    work = read_work(lease)
    with CallsInFlight(work, OpenAIClient(base_url=work.base_url)) as calls:
        while not calls.is_over:
            rows = calls.take(0.1)
            write_results(rows)
            calls.stored(len(rows))
    leases.finish(lease)
    run.refresh_from_db()
    assert run.state == "running"
    leases.sweep()
    run.refresh_from_db()
    assert run.state == "completed"
