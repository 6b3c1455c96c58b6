"""Finished results while the database is away: on disk at once, and in the database later."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.core.management.base import OutputWrapper
from django.db import connection

from evals import tasks
from evals.management import run_progress
from evals.models import Result, Run
from evals.runner import journal, leases, shards, storage
from evals.runner.durable import DurableResults
from evals.runner.storage import ResultRow
from evals.services import runs
from infra import clock
from infra.errors import InvalidMove
from infra.ids import uuid7
from tests.conftest import database_url
from tests.evals import builders, worker
from tests.evals.upstream import Upstream

# Kills, races and real time.
pytestmark = pytest.mark.long
CONCURRENCY = 8
NOWHERE = "http://127.0.0.1:9/v1"


@contextmanager
def away(database: str) -> Iterator[None]:
    """Every connection is cut and none is accepted inside the block."""
    with psycopg.connect(database_url("superuser", "postgres"), autocommit=True) as admin:
        connection.close()
        admin.execute(f"ALTER DATABASE {database} ALLOW_CONNECTIONS false")
        cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
        admin.execute(cut, [database])
        try:
            yield
        finally:
            admin.execute(f"ALTER DATABASE {database} ALLOW_CONNECTIONS true")


def row(run: Run, case_id: UUID, **fields: Any) -> ResultRow:
    values: dict[str, Any] = {
        "id": uuid7(),
        "run_id": run.pk,
        "case_id": case_id,
        "repeat": 0,
        "state": "passed",
        "score": 1.0,
        "components": {"echo.first": {"score": 1.0, "explanation": 'a \\ b "c"\n'}},
        "explanation": "tab\t, line\nreturn\r, backslash \\, é 漢 🙂, \\N, \\.",
        "output": bytes(range(256)),
        "error_code": "",
        "error_message": "",
        "n_calls": 1,
        "tokens_in": None,
        "tokens_out": 4,
        "cost_micros": None,
        "latency_ms": 1.25,
        "n_grader_calls": 0,
        "grader_tokens_in": None,
        "grader_tokens_out": None,
        "grader_cost_micros": None,
        "recorded_at": clock.now(),
    }
    return ResultRow(**{**values, **fields})


def made(n_cases: int = 5) -> tuple[Run, list[ResultRow]]:
    """A run nobody works on, and one finished result a case."""
    run = builders.start(builders.published(n_cases), builders.served(NOWHERE))
    return run, [row(run, pk) for pk in run.version.cases.values_list("pk", flat=True)]


def files() -> list[Path]:
    return sorted(journal.folder().glob("*"))


@pytest.fixture(autouse=True)
def own_folder(settings: Any, tmp_path: Path) -> None:
    settings.STATE_DIR = tmp_path


@pytest.mark.django_db
def test_rows_come_back_as_they_were_written() -> None:
    run, rows = made(1)
    assert storage.write_results(rows) == 1
    kept = Result.objects.values().get(run=run)
    kept["output"] = bytes(kept["output"])
    assert {name: kept[name] for name in kept} == {n: getattr(rows[0], n) for n in kept}


@pytest.mark.django_db
def test_rows_that_exist_stay_as_they_are() -> None:
    run, rows = made()
    assert storage.write_results(rows[:2]) == 2
    again = [replace(each, id=uuid7(), score=0.0, state="failed") for each in rows]
    assert storage.write_results(again) == 3
    assert storage.write_results(again) == 0
    assert sorted(Result.objects.values_list("score", flat=True)) == [0.0, 0.0, 0.0, 1.0, 1.0]


@pytest.mark.django_db
def test_a_row_that_the_table_refuses_is_no_double() -> None:
    run, rows = made(1)
    with pytest.raises(Exception, match="state"):
        storage.write_results([replace(rows[0], state="s" * 30)])


@pytest.mark.django_db
def test_a_journal_is_shipped_once_and_gone() -> None:
    run, rows = made()
    lines = [storage.copy_line(each) for each in rows]
    kept = journal.Journal(run.pk)
    assert kept.is_empty and kept.ship() == 0
    kept.append(lines[:3])
    kept.append(lines[3:])
    assert journal.ship_left() == 5, "whoever claims the shard reads a living worker's too"
    assert len(files()) == 1, "but leaves it to its holder"
    assert kept.ship() == 0
    assert (files(), Result.objects.count()) == ([], 5)


@pytest.mark.django_db
def test_a_dead_workers_journal_is_shipped_up_to_where_it_is_whole() -> None:
    run, rows = made()
    kept = journal.Journal(run.pk)
    kept.append([storage.copy_line(each) for each in rows])
    kept.close()
    (path,) = files()
    content = path.read_bytes()
    damaged = content.splitlines(keepends=True)
    damaged[2] = damaged[2].replace(b"passed", b"failed")
    path.write_bytes(b"".join(damaged)[:-7])
    assert journal.ship_left() == 3, "one line is damaged, the last one torn"
    assert (files(), Result.objects.count()) == ([], 3)


@pytest.mark.django_db
def test_the_sweep_ships_what_a_killed_worker_left_of_a_run_that_is_over() -> None:
    run, rows = made()
    kept = journal.Journal(run.pk)
    kept.append([storage.copy_line(each) for each in rows])
    kept.close()
    runs.cancel_run(actor=builders.DEMO, run=run, reason="wrong checkpoint")
    tasks.sweep()
    assert (files(), run.results.count()) == ([], 5)


@pytest.mark.django_db
@pytest.mark.parametrize("spoil", ["columns", "row"])
def test_a_journal_that_cannot_be_shipped_is_set_aside(spoil: str) -> None:
    run, rows = made(1)
    kept = journal.Journal(run.pk)
    refused = replace(rows[0], state="s" * 30)
    kept.append([storage.copy_line(refused if spoil == "row" else rows[0])])
    kept.close()
    (path,) = files()
    if spoil == "columns":
        path.write_bytes(path.read_bytes().replace(b"latency_ms", b"latency"))
    assert journal.ship_left() == 0
    assert [each.suffix for each in files()] == [journal.REFUSED]
    assert journal.ship_left() == 0


def test_results_wait_on_disk_while_the_database_is_away(committed_db: str, valkey: str) -> None:
    run, rows = made()
    with DurableResults(run.pk) as results:
        results.keep(rows[:1])
        with away(committed_db):
            results.keep(rows[1:3])
            results.keep(rows[3:])
            assert results.is_away and not results.comes_back()
            assert len(files()) == 1
        time.sleep(0.3)
        assert results.comes_back()
    assert (files(), Result.objects.count()) == ([], 5)


def test_a_run_outlives_its_database(committed_db: str, valkey: str, upstream: Upstream) -> None:
    upstream.delay_s = 0.02
    run = builders.start(
        builders.published(300), builders.served(upstream.base_url), concurrency=CONCURRENCY
    )
    process = worker.begin(run.shards.get().pk, committed_db)
    while upstream.n_calls < 50:
        time.sleep(0.002)
    with away(committed_db):
        called = upstream.n_calls
        time.sleep(0.5)
        assert upstream.n_calls > called + CONCURRENCY, "calls that were read go on"
    process.wait(timeout=60)
    run.refresh_from_db()
    assert (run.state, run.results.filter(state="passed").count()) == ("completed", 300)
    assert upstream.n_calls == 300, "nothing was asked twice"


def test_a_worker_killed_while_the_database_is_away_loses_nothing(
    committed_db: str, valkey: str, upstream: Upstream, settings: Any
) -> None:
    settings.STATE_DIR = Path(worker.state_dir())
    upstream.delay_s = 0.02
    run = builders.start(
        builders.published(300), builders.served(upstream.base_url), concurrency=CONCURRENCY
    )
    process = worker.begin(run.shards.get().pk, committed_db)
    while upstream.n_calls < 50:
        time.sleep(0.002)
    with away(committed_db):
        called = upstream.n_calls
        while upstream.n_calls < called + 60:
            time.sleep(0.002)
        process.kill()
        process.wait()
    assert files(), "what was answered meanwhile is on disk"
    with clock.moved_by(leases.LEASE + timedelta(seconds=1)):
        leases.sweep()
    shards.run_shard(run.shards.get().pk)
    run.refresh_from_db()
    assert (run.state, run.results.filter(state="passed").count()) == ("completed", 300)
    assert upstream.n_calls - 300 <= 2 * CONCURRENCY
    assert files() == []


def test_waiting_for_a_run_outlives_its_database(committed_db: str, valkey: str) -> None:
    run, _ = made()
    said: list[str] = []

    def watch() -> None:
        try:
            with pytest.raises(InvalidMove, match="cancelled"):
                run_progress.wait(run, said.append, OutputWrapper(io.StringIO()), as_json=True)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with away(committed_db):
            watched = pool.submit(watch)
            time.sleep(1.0)
            assert not watched.done(), watched.result()
        runs.cancel_run(actor=builders.DEMO, run=run, reason="wrong checkpoint")
        watched.result(timeout=20)
    assert said[-1].startswith("cancelled 0/5")
