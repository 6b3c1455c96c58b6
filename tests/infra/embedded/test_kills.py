"""Starts and stops that meet other processes, and every way a kill can leave things."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from infra import embedded
from infra.embedded.processes import find_process
from tests.infra.embedded.servers import kill, postmaster, rows, run_python, use_state


def test_a_second_start_changes_nothing(state: Path) -> None:
    embedded.start_postgres()
    embedded.start_valkey()
    first = postmaster().pid, redis.Redis.from_url(embedded.redis_url()).info()["process_id"]
    embedded.start_postgres()
    embedded.start_valkey()
    second = postmaster().pid, redis.Redis.from_url(embedded.redis_url()).info()["process_id"]
    assert second == first


def test_data_survives_a_kill_of_the_database(state: Path) -> None:
    embedded.start_postgres(tethered=True)
    with psycopg.connect(embedded.database_url("owner")) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (x int)")
        connection.execute("INSERT INTO kept VALUES (42)")
    kill(postmaster())
    assert not embedded.postgres_is_running()
    embedded.start_postgres(tethered=True)
    assert rows("owner", "SELECT x FROM kept")[-1] == (42,)


def test_a_stale_lock_with_the_number_of_another_program_does_not_block(state: Path) -> None:
    embedded.start_postgres(tethered=True)
    pid_file = state / "postgres" / "data" / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    kill(postmaster())
    socket_lock = embedded.socket_dir() / "postgres" / ".s.PGSQL.5432.lock"
    for path in (pid_file, socket_lock):
        path.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    embedded.start_postgres(tethered=True)
    assert rows("app", "SELECT 1") == [(1,)]


def test_a_lock_file_cut_short_does_not_block(state: Path) -> None:
    embedded.start_postgres(tethered=True)
    embedded.stop_postgres(force=True)
    (state / "postgres" / "data" / "postmaster.pid").write_text("")
    embedded.start_postgres(tethered=True)
    assert rows("app", "SELECT 1") == [(1,)]


def test_a_server_in_use_elsewhere_is_adopted_and_outlives_our_stop(state: Path) -> None:
    other = run_python(
        "from infra import embedded; embedded.start_postgres(); print('up', flush=True); input()"
    )
    assert other.stdout is not None and other.stdout.readline() == "up\n"
    pid = postmaster().pid
    embedded.start_postgres(tethered=True)
    assert postmaster().pid == pid
    embedded.stop_postgres()
    assert postmaster().pid == pid
    other.communicate("\n", timeout=20)
    assert find_process("postgres", str(state / "postgres" / "data")) is None


def test_tethered_servers_end_when_their_starter_is_killed(state: Path) -> None:
    other = run_python(
        "from infra import embedded\n"
        "embedded.start_postgres(tethered=True); embedded.start_valkey(tethered=True)\n"
        "print('up', flush=True); input()"
    )
    assert other.stdout is not None and other.stdout.readline() == "up\n"
    servers = [postmaster(), find_process("valkey-server", str(state / "valkey/valkey.conf"))]
    other.kill()
    other.communicate()
    gone, alive = psutil.wait_procs([each for each in servers if each], timeout=10)
    assert (len(gone), alive) == (2, [])
    embedded.start_postgres(tethered=True)
    assert rows("app", "SELECT 1") == [(1,)]


@pytest.mark.long
def test_a_server_left_by_a_killed_process_is_replaced_never_doubled(state: Path) -> None:
    other = run_python(
        "from infra import embedded; embedded.start_postgres(); print('up', flush=True); input()"
    )
    assert other.stdout is not None and other.stdout.readline() == "up\n"
    left = postmaster()
    other.kill()
    other.communicate()
    assert left.is_running()
    embedded.start_postgres(tethered=True)
    assert not left.is_running()
    assert postmaster().pid != left.pid


@pytest.mark.long
def test_a_killed_first_start_is_begun_anew(fresh_state: Path) -> None:
    draft = fresh_state / "postgres" / "data.new"
    draft.mkdir(parents=True)
    (draft / "PG_VERSION").write_text("18\n")
    embedded.start_postgres(tethered=True)
    assert rows("app", "SELECT 1") == [(1,)]
    assert not draft.exists()


def test_a_stop_without_a_state_folder_makes_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = use_state(tmp_path / "absent", monkeypatch)
    embedded.stop_postgres()
    embedded.stop_valkey()
    assert not state.exists()
