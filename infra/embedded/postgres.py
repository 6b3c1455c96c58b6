"""The embedded PostgreSQL 18: a Unix socket only, passwords for every role, durable."""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import time
from pathlib import Path
from urllib.parse import quote

import psutil

from infra.embedded import cluster, holds
from infra.embedded.account import Account, account_for, give, let_through
from infra.embedded.errors import EmbeddedError
from infra.embedded.paths import make_folder, make_socket_dir, socket_dir, state_dir
from infra.embedded.processes import find_process, is_alive, reap, stop_process, tether, wait_until
from infra.embedded.vault import secret

SERVICE = "postgres"
ROLES = {"app": "slipway_app", "owner": "slipway_owner", "superuser": "postgres"}
START_TIMEOUT_S = 60.0
# After a kill -9 the server's workers let go of its shared memory only once they notice.
BUSY_TIMEOUT_S = 15.0
STOP_PATIENCE_S = 5.0
_children: dict[Path, subprocess.Popen[bytes]] = {}


def database_url(role: str) -> str:
    """The URL by which `role` (app, owner or superuser) reaches the embedded database."""
    if role not in ROLES:
        raise EmbeddedError(f"The database role {role!r} is unknown: app, owner or superuser.")
    host = quote(str(socket_dir() / "postgres"), safe="/")
    return f"postgresql://{ROLES[role]}:{_password(role)}@/{cluster.DATABASE}?host={host}"


def start_postgres(*, tethered: bool = False) -> None:
    """Starts PostgreSQL unless it runs; `tethered`: it ends when this process does, however."""
    with holds.turn(SERVICE):
        holds.hold(SERVICE)
        account = _prepare_folders()
        running = find_process("postgres", str(_data_dir()))
        if running is not None and tethered and not holds.used_by_others(SERVICE):
            _stop(running)
            running = None
        if running is None or not _becomes_ready(running):
            if running is not None:
                _stop(running)
            _launch(account, tethered)
        cluster.ensure_roles(
            cluster.connect(_socket_folder(), _password("superuser")),
            app_password=_password("app"),
            owner_password=_password("owner"),
        )
        atexit.register(stop_postgres)


def stop_postgres(*, force: bool = False) -> None:
    """Stops PostgreSQL unless another process uses it; `force`: even then."""
    if not (state_dir() / "locks").exists():
        return
    with holds.turn(SERVICE):
        others = holds.used_by_others(SERVICE)
        holds.release(SERVICE)
        running = find_process("postgres", str(_data_dir()))
        if running is not None and (force or not others):
            _stop(running)
        reap(_children.pop(state_dir(), None))


def postgres_is_running() -> bool:
    """Whether the embedded PostgreSQL runs; cheap for the process that started it."""
    child = _children.get(state_dir())
    if child is not None:
        return child.poll() is None
    return cluster.accepts_connections(_socket_folder())


def _password(role: str) -> str:
    return secret(f"postgres_{role}.password")


def _socket_folder() -> Path:
    return socket_dir() / "postgres"


def _data_dir() -> Path:
    return state_dir() / "postgres" / "data"


def _prepare_folders() -> Account:
    home = make_folder(state_dir()) / "postgres"
    account = account_for(home)
    sockets = make_socket_dir() / "postgres"
    for folder in (home, sockets):
        make_folder(folder)
        give(folder, account)
        let_through(folder.parent, account)
    let_through(cluster.program("postgres").parent, account)
    return account


def _becomes_ready(running: psutil.Process) -> bool:
    def settled() -> bool:
        return cluster.accepts_connections(_socket_folder()) or not is_alive(running)

    wait_until(settled, timeout_s=START_TIMEOUT_S)
    return cluster.accepts_connections(_socket_folder())


def _stop(running: psutil.Process) -> None:
    stop_process(running, [signal.SIGINT, signal.SIGQUIT], patience_s=STOP_PATIENCE_S)
    reap(_children.pop(state_dir(), None))


def _launch(account: Account, tethered: bool) -> None:
    if not (_data_dir() / "PG_VERSION").exists():
        cluster.create(_data_dir(), account, _password("superuser"))
    cluster.configure(_data_dir(), _socket_folder(), account)
    cluster.drop_foreign_locks(_data_dir() / "postmaster.pid", _socket_folder())
    log = make_folder(state_dir() / "logs") / "postgres.log"
    end = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        said_before = log.stat().st_size if log.exists() else 0
        child = _spawn(account, log, tethered)
        if _becomes_ready(psutil.Process(child.pid)) and child.poll() is None:
            return
        child.kill()
        child.wait()
        said = log.read_bytes()[said_before:].decode(errors="replace")
        if "still in use" not in said or time.monotonic() > end:
            raise cluster.start_error(said, log, _data_dir())
        time.sleep(0.3)


def _spawn(account: Account, log: Path, tethered: bool) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        child: subprocess.Popen[bytes] = subprocess.Popen(  # type: ignore[call-overload]  # noqa: S603
            [str(cluster.program("postgres")), "-D", str(_data_dir())],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=tether(signal.SIGINT) if tethered else None,
            cwd="/",
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"},
            **account.switch,
        )
    _children[state_dir()] = child
    return child
