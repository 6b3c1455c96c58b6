"""Where one test process keeps its servers' files: in memory, where there is enough of it.

Every file of a database is made anew for each copy of it; on a disk that is most of a copy's time.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import psutil

MEMORY = Path("/dev/shm")  # noqa: S108  a file system of its own, not a shared temporary folder
PREFIX = "slw-"
# Data and log of a cluster take a tenth of it.
ENOUGH_BYTES = 6 * 2**30


def make() -> str:
    """A new folder, short because Unix sockets lie below it; what killed runs left goes."""
    if not _has_room():
        return tempfile.mkdtemp(prefix=PREFIX)
    for left in MEMORY.glob(f"{PREFIX}*"):
        if not psutil.pid_exists(_owner(left)):
            shutil.rmtree(left, ignore_errors=True)
    return tempfile.mkdtemp(prefix=f"{PREFIX}{psutil.Process().pid}-", dir=MEMORY)


def is_in_memory(folder: str) -> bool:
    return Path(folder).is_relative_to(MEMORY)


def _has_room() -> bool:
    """Whether the file system in memory and the memory itself take what two processes keep."""
    if not MEMORY.is_dir():
        return False
    free = shutil.disk_usage(MEMORY).free
    return min(free, psutil.virtual_memory().available) >= ENOUGH_BYTES


def _owner(folder: Path) -> int:
    """The process that made it; 0, which always runs, where the name tells none."""
    number = folder.name.removeprefix(PREFIX).partition("-")[0]
    return int(number) if number.isdecimal() else 0
