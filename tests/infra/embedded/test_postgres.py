"""The embedded PostgreSQL: roles, durability, and what it says when it can't start."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import psycopg
import pytest

from infra import embedded
from infra.embedded import EmbeddedError, cluster
from tests.infra.embedded.servers import rows, use_state


def test_the_application_is_no_superuser_and_the_owner_owns_the_database(state: Path) -> None:
    embedded.start_postgres(tethered=True)
    query = "SELECT rolname, rolsuper, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolcanlogin"
    assert sorted(rows("app", query)) == [
        ("postgres", True, True, True),
        ("slipway_app", False, False, False),
        ("slipway_owner", False, True, False),
    ]
    owner = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'slipway'"
    assert rows("app", owner) == [("slipway_owner",)]


def test_the_application_can_neither_make_tables_nor_become_the_owner(state: Path) -> None:
    embedded.start_postgres(tethered=True)
    with psycopg.connect(embedded.database_url("app"), autocommit=True) as connection:
        for forbidden in ("CREATE TABLE sneaky (x int)", "SET ROLE slipway_owner"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(forbidden)


@pytest.mark.parametrize("password", ["", "password=wrong"])
def test_nobody_becomes_superuser_without_its_password(state: Path, password: str) -> None:
    embedded.start_postgres(tethered=True)
    host = embedded.socket_dir() / "postgres"
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(f"host={host} user=postgres dbname=postgres {password}")


def test_the_server_is_durable_and_listens_on_its_socket_alone(state: Path) -> None:
    embedded.start_postgres(tethered=True)
    shown = {
        name: rows("app", f"SHOW {name}")[0][0]
        for name in ("fsync", "synchronous_commit", "full_page_writes", "listen_addresses")
    }
    assert shown == {
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "listen_addresses": "",
    }
    assert rows("app", "SHOW max_connections") == [("200",)]
    mode = (embedded.socket_dir() / "postgres").stat().st_mode
    assert stat.S_IMODE(mode) == 0o700


def test_a_damaged_database_is_named_with_what_to_do(
    cluster_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = cluster_dir / "postgres"
    owner = source.stat()
    state = use_state(tmp_path / "damaged", monkeypatch)
    shutil.copytree(source, state / "postgres")
    for path in [state / "postgres", *(state / "postgres").rglob("*")]:
        os.chown(path, owner.st_uid, owner.st_gid)
    (state / "postgres/data/global/pg_control").write_bytes(b"\0" * 8192)
    with pytest.raises(EmbeddedError, match="is damaged: .*backup.*move it away"):
        embedded.start_postgres(tethered=True)
    assert embedded.postgres_is_running() is False


def test_files_in_place_of_a_database_are_never_overwritten(fresh_state: Path) -> None:
    keep = fresh_state / "postgres" / "data" / "precious"
    keep.parent.mkdir(parents=True)
    keep.write_text("mine")
    with pytest.raises(EmbeddedError, match="is not a database"):
        embedded.start_postgres(tethered=True)
    assert keep.read_text() == "mine"


def test_a_lost_superuser_password_is_named(state: Path) -> None:
    path = state / "secrets" / "postgres_superuser.password"
    kept = path.read_text()
    path.write_text("another\n")
    try:
        with pytest.raises(EmbeddedError, match="postgres_superuser.password does not fit"):
            embedded.start_postgres(tethered=True)
    finally:
        path.write_text(kept)


def test_a_role_takes_a_new_password_from_its_file(state: Path) -> None:
    embedded.secret("postgres_app.password")
    (state / "secrets" / "postgres_app.password").unlink()
    embedded.start_postgres(tethered=True)
    assert rows("app", "SELECT current_user") == [("slipway_app",)]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("FATAL:  could not write: No space left on device", "is full"),
        ("PANIC:  could not locate a valid checkpoint record", "is damaged"),
        ("FATAL:  database files are incompatible with server", "is damaged"),
        ("FATAL:  could not create shared memory", "did not start: could not create shared"),
        ("", "did not start: no output"),
    ],
)
def test_the_last_words_of_postgresql_become_one_sentence(said: str, words: str) -> None:
    message = str(cluster.start_error(said, Path("/srv/log"), Path("/srv/data")))
    assert words in message and "\n" not in message


def test_an_unknown_role_has_no_url(fresh_state: Path) -> None:
    with pytest.raises(EmbeddedError, match="unknown: app, owner or superuser"):
        embedded.database_url("root")
