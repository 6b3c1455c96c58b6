"""Who uses an embedded service: kernel locks, so that a killed process never leaves one behind."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.embedded.errors import EmbeddedError, folder_error
from infra.embedded.paths import make_folder, state_dir

TURN_TIMEOUT_S = 90.0
_held: dict[Path, int] = {}


@contextmanager
def turn(service: str) -> Iterator[None]:
    """One process at a time starts or stops `service`."""
    handle = _open(service, "turn")
    try:
        end = time.monotonic() + TURN_TIMEOUT_S
        while not _locked(handle, fcntl.LOCK_EX):
            if time.monotonic() > end:
                raise EmbeddedError(
                    f"Another process has been starting or stopping {service} under {state_dir()} "
                    f"for {TURN_TIMEOUT_S:.0f} s: end it and start again."
                )
            time.sleep(0.05)
        yield
    finally:
        os.close(handle)


def hold(service: str) -> None:
    """Says that this process uses `service`, until it ends or releases it."""
    path = _path(service, "use")
    if path not in _held:
        handle = _open(service, "use")
        fcntl.flock(handle, fcntl.LOCK_SH)
        _held[path] = handle


def release(service: str) -> None:
    """Says that this process no longer uses `service`."""
    handle = _held.pop(_path(service, "use"), None)
    if handle is not None:
        os.close(handle)


def used_by_others(service: str) -> bool:
    """Whether another living process holds `service`; call it only in a `turn`."""
    mine = _path(service, "use") in _held
    release(service)
    handle = _open(service, "use")
    try:
        return not _locked(handle, fcntl.LOCK_EX)
    finally:
        os.close(handle)
        if mine:
            hold(service)


def _path(service: str, purpose: str) -> Path:
    return state_dir() / "locks" / f"{service}.{purpose}"


def _open(service: str, purpose: str) -> int:
    path = _path(service, purpose)
    make_folder(state_dir())
    make_folder(path.parent)
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise folder_error(path.parent, error) from error


def _locked(handle: int, kind: int) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
