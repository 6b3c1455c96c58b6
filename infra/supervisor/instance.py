"""One supervisor to a state folder: a kernel lock, which no kill leaves behind."""

from __future__ import annotations

import fcntl
import json
import os
import time
from pathlib import Path
from typing import Any

from infra.embedded import EmbeddedError, state_dir
from infra.embedded.errors import folder_error
from infra.embedded.paths import make_folder

# A supervisor that is stopping ends within this.
STOPPING_TIMEOUT_S = 15.0


class InstanceLock:
    """Held while a supervisor runs; its file tells others who holds it."""

    def __init__(self) -> None:
        self._path = state_dir() / "locks" / "up"
        self._handle = -1

    def acquire(self) -> None:
        """Takes the lock; EmbeddedError names the process that has it and is not ending."""
        self._handle = self._open()
        end = time.monotonic() + STOPPING_TIMEOUT_S
        while not self._try():
            holder = self._holder()
            if not holder.get("stopping") or time.monotonic() > end:
                os.close(self._handle)
                raise EmbeddedError(_already_running(holder))
            time.sleep(0.1)
        self.say({"pid": os.getpid()})

    def say(self, facts: dict[str, Any]) -> None:
        """Writes what another supervisor may want to know about this one."""
        os.ftruncate(self._handle, 0)
        os.pwrite(self._handle, json.dumps(facts).encode(), 0)

    def release(self) -> None:
        os.close(self._handle)

    def _open(self) -> int:
        folder = self._path.parent
        try:
            make_folder(state_dir())
            make_folder(folder)
            return os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise folder_error(folder, error) from error

    def _try(self) -> bool:
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _holder(self) -> dict[str, Any]:
        try:
            facts = json.loads(Path(self._path).read_text(encoding="utf-8"))
        except ValueError:
            return {}
        return facts if isinstance(facts, dict) else {}


def _already_running(holder: dict[str, Any]) -> str:
    who = f"process {holder['pid']}" if "pid" in holder else "another process"
    where = f" on {holder['url']}" if "url" in holder else ""
    stop = f"'kill {holder['pid']}'" if "pid" in holder else "Ctrl-C in its terminal"
    return (
        f"Slipway already runs from {state_dir()}{where} ({who}): stop it first ({stop}), or set "
        "SLIPWAY_STATE_DIR to another folder."
    )
