"""What the worker served, on its own disk before the client has the end of its answer.

A line is `S` or `E`, the request id in 32 hex digits, a space, the whole usage event as JSON. Lines
go to the operating system one by one, so a killed process loses none that it wrote (a killed
machine may lose the last seconds). The lock on a segment tells others that its writer lives.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from infra.ids import uuid7

log = logging.getLogger(__name__)
SUFFIX = ".journal"
READ_BYTES = 1 << 20
# Where the JSON begins: one letter, 32 digits, one space.
JSON_AT = 34


@dataclass(slots=True, kw_only=True)
class Segment:
    """One file of lines; `shipped` is the offset up to which its events are in PostgreSQL."""

    path: Path
    fd: int
    size: int = 0
    shipped: int = 0
    open_calls: set[bytes] = field(default_factory=set)

    def append(self, mark: bytes, request: bytes, event: bytes) -> None:
        """Write one line whole; OSError when the disk does not take it."""
        line = b"%s%s %s\n" % (mark, request, event)
        written = os.write(self.fd, line)
        if written != len(line):
            # A torn line would swallow the next one.
            os.ftruncate(self.fd, self.size)
            raise OSError(28, "no space left for the journal", str(self.path))
        self.size += written

    def unshipped(self) -> list[bytes]:
        """The next complete lines that are not in PostgreSQL, up to a mebibyte."""
        if self.shipped >= self.size:
            return []
        data = os.pread(self.fd, READ_BYTES, self.shipped)
        return data[: data.rfind(b"\n") + 1].splitlines(keepends=True)

    def is_done(self) -> bool:
        return not self.open_calls and self.shipped >= self.size

    def close(self, *, remove: bool) -> None:
        if remove:
            self.path.unlink(missing_ok=True)
        os.close(self.fd)


class Journal:
    """The segments of this process; the last one takes new calls."""

    def __init__(self, folder: Path, segment_bytes: int) -> None:
        self._folder, self._segment_bytes = folder, segment_bytes
        self.segments: list[Segment] = []
        # Ends that the disk did not take: shipped from memory.
        self.unwritten: list[bytes] = []
        # Calls whose end was written here since the start.
        self.n_ended = 0

    def open(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.segments.append(self._new_segment())

    def _new_segment(self) -> Segment:
        draft = self._folder / f".{uuid7().hex}"
        fd = os.open(draft, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.flock(fd, fcntl.LOCK_EX)
        # Only now others may see it: an unlocked journal counts as a dead process's.
        path = draft.rename(self._folder / f"{draft.name[1:]}{SUFFIX}")
        return Segment(path=path, fd=fd)

    def begin(self, request: bytes, event: bytes) -> Segment:
        """Write the start of a call; its end must go to the segment returned."""
        current = self.segments[-1]
        if current.size >= self._segment_bytes:
            current = self._new_segment()
            self.segments.append(current)
        current.append(b"S", request, event)
        current.open_calls.add(request)
        return current

    def end(self, segment: Segment, request: bytes, event: bytes) -> None:
        """Write the end of a call; kept in memory when the disk does not take it."""
        self.n_ended += 1
        try:
            segment.append(b"E", request, event)
        except OSError as error:
            log.error("the journal can't be written: %s", error)
            self.unwritten.append(b"E%s %s\n" % (request, event))
        segment.open_calls.discard(request)

    def drop_done(self) -> None:
        """Remove earlier segments whose events are all in PostgreSQL."""
        for segment in self.segments[:-1]:
            if segment.is_done():
                segment.close(remove=True)
                self.segments.remove(segment)

    def set_aside(self, line: bytes) -> None:
        """Keep a line that PostgreSQL refuses, for a person to read."""
        with (self._folder / "refused.lines").open("ab") as file:
            file.write(line)

    def close(self) -> None:
        """Give the segments up; those with something left stay for the next process."""
        for segment in self.segments:
            segment.close(remove=segment.is_done())
        self.segments.clear()

    def abandoned(self) -> Iterator[Segment]:
        """Segments of processes that are gone, locked for this one; the caller closes each."""
        own = {segment.path for segment in self.segments}
        for path in sorted(self._folder.glob(f"*{SUFFIX}")):
            segment = None if path in own else _locked(path)
            if segment is not None:
                yield segment


def _locked(path: Path) -> Segment | None:
    try:
        fd = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    facts = os.fstat(fd)
    if facts.st_nlink == 0:
        os.close(fd)
        return None
    return Segment(path=path, fd=fd, size=facts.st_size)


def event_of(line: bytes) -> bytes:
    """The JSON of a line."""
    return line[JSON_AT:].rstrip(b"\n")


def request_of(line: bytes) -> bytes:
    """The request id of a line, in hex."""
    return line[1 : JSON_AT - 1]
