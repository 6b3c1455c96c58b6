"""Finished results on this machine's own disk while the database is away.

A file belongs to one holder of one shard: `<run>.<holder>.results`, locked while that holder lives.
Its first line names the columns; every other is a CRC-32 in 8 hex digits, a space, and one line of
COPY's text format. What is appended is on the disk before it counts as durable, so a killed worker
loses none of it: whoever works on the run next on this machine ships the file first.
"""

from __future__ import annotations

import fcntl
import logging
import os
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from uuid import UUID, uuid4

from django.conf import settings
from django.db import DataError, IntegrityError

from evals.runner import storage

log = logging.getLogger(__name__)
SUFFIX = ".results"
REFUSED = ".refused"
LINES_AT_ONCE = 1_000
HEAD = f"{storage.COLUMNS}\n".encode()


def folder() -> Path:
    """Where this installation's journals are on this machine."""
    return Path(settings.STATE_DIR) / "eval-journal"


class Journal:
    """One holder's file; made with the first line, gone once everything is shipped."""

    def __init__(self, run_id: UUID) -> None:
        self._path = folder() / f"{run_id}.{uuid4().hex}{SUFFIX}"
        self._fd = -1

    @property
    def is_empty(self) -> bool:
        return self._fd < 0

    def append(self, lines: Sequence[bytes]) -> None:
        """Keep lines of `storage.copy_line`; on the disk when this returns. OSError when full."""
        if self._fd < 0:
            self._open()
        content = b"".join(b"%08x %s" % (zlib.crc32(line), line) for line in lines)
        end = os.fstat(self._fd).st_size
        written = os.write(self._fd, content)
        if written != len(content):
            # A torn line would hide what is appended after it.
            os.ftruncate(self._fd, end)
            raise OSError(28, "no space left for finished results", str(self._path))
        os.fsync(self._fd)

    def ship(self) -> int:
        """Bring all of it into the database and drop the file; the number that were new there."""
        if self._fd < 0:
            return 0
        n_new = _ship(self._path)
        self.close()
        self._path.unlink(missing_ok=True)
        return n_new

    def close(self) -> None:
        """Let others ship what is left."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _open(self) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self._path.with_suffix(".draft")
        fd = os.open(draft, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.flock(fd, fcntl.LOCK_EX)
        os.write(fd, HEAD)
        os.fsync(fd)
        # Only now others may see it: an unlocked journal counts as a dead worker's.
        draft.rename(self._path)
        self._sync_folder()
        self._fd = fd

    def _sync_folder(self) -> None:
        handle = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def ship_left() -> int:
    """Ship every journal of this machine, those of living workers too; how many rows were new.

    Files of dead workers are dropped afterwards. A file that the database refuses is set aside
    under another name, with its reason in the log.
    """
    n_new = 0
    for path in sorted(folder().glob(f"*{SUFFIX}")):
        try:
            n_new += _ship_left(path)
        except FileNotFoundError:
            # Its holder, or somebody else, was quicker.
            continue
        except (DataError, IntegrityError) as error:
            aside = path.rename(path.with_suffix(REFUSED))
            log.error("The database refuses results in %s, set aside as such: %s", aside, error)
    return n_new


def _ship_left(path: Path) -> int:
    """Locked before it is read: a holder that dies meanwhile may have written more."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return _ship(path)
        n_new = _ship(path)
        path.unlink(missing_ok=True)
        return n_new


def _ship(path: Path) -> int:
    n_new, chunk = 0, list[bytes]()
    for line in _lines(path):
        chunk.append(line)
        if len(chunk) == LINES_AT_ONCE:
            n_new += storage.write_lines(chunk)
            chunk.clear()
    return n_new + storage.write_lines(chunk)


def _lines(path: Path) -> Iterator[bytes]:
    """The whole lines; the last one of a killed machine may be torn and is left out."""
    with path.open("rb") as file:
        head = file.readline()
        if head != HEAD:
            message = f"was written by another version of Slipway: its columns are {head!r}"
            raise DataError(f"{path} {message}, not {HEAD!r}")
        for number, line in enumerate(file, start=2):
            mark, _, content = line.partition(b" ")
            if content.endswith(b"\n") and mark == b"%08x" % zlib.crc32(content):
                yield content
            else:
                log.warning("%s line %d is damaged: its case is asked again.", path, number)
