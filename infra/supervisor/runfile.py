"""`run.json` in the state folder: the facts about the running product, for people and scripts."""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from infra.embedded import state_dir


def runfile_path() -> Path:
    return state_dir() / "run.json"


def read_runfile() -> dict[str, Any]:
    """The facts as they stand; empty when there are none yet."""
    try:
        facts = json.loads(runfile_path().read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError:
        # Kept for a person to look at: it held the partner key, which is shown only once.
        runfile_path().replace(runfile_path().with_suffix(".json.damaged"))
        return {}
    return facts if isinstance(facts, dict) else {}


def update_runfile(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Merges `changes` over the facts, atomically and one process at a time; returns the result."""
    with _turn():
        facts = {**read_runfile(), **changes}
        _replace(json.dumps(facts, indent=2, sort_keys=True) + "\n")
    return facts


@contextmanager
def _turn() -> Iterator[None]:
    folder = state_dir() / "locks"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "run.json.turn").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _replace(text: str) -> None:
    # mkstemp makes the file with mode 0600.
    handle, draft = tempfile.mkstemp(dir=state_dir(), prefix=".run.json.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, runfile_path())
    except BaseException:
        os.unlink(draft)
        raise
