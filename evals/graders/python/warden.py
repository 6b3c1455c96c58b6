"""Runs grading code for a worker: a process that forks a confined child for every sample.

Started as a script with an empty environment and one socket; it imports nothing of Slipway, so that
a child has none of its memory, settings or secrets to look at. Requests and replies are JSON after
four bytes of length. When the worker is gone, the socket ends, and the warden kills what runs and
leaves.

Request: {id, source, sample, item, timeout_s, memory_bytes, disk_bytes}. Reply: {id, score}, or
{id, error, message} where error is `runtime` (the code's fault) or `server` (this machine's).
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import json
import linecache
import numbers
import os
import random
import selectors
import shutil
import signal
import socket
import struct
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import confinement  # type: ignore[import-not-found]  # noqa: E402

sys.path.pop(0)

LOOK_S = 0.1
"""How often the size of what a child wrote is looked at."""
BLOCK = 4096
LONGEST_REPLY = 65_536
LONGEST_MESSAGE = 500
BOUNDS = "; grading code has no network, starts no process and sees no files but its own folder"
SOURCE_NAME = "grader.py"
# Imported once here, so that a child has them at once; nothing else is imported for a source.
SHARED = ("numpy", "scipy", "rapidfuzz")


@dataclass(slots=True)
class Child:
    """One sample's process."""

    request_id: int
    pid: int
    pipe: int
    folder: Path
    deadline: float
    timeout_s: float
    disk_bytes: int
    said: bytearray = field(default_factory=bytearray)
    is_late: bool = False


class Warden:
    """Serves one worker until its socket ends."""

    def __init__(self, control: socket.socket, root: Path) -> None:
        self._control = control
        self._root = root
        self._children: dict[int, Child] = {}
        self._ready = selectors.DefaultSelector()
        # By a signal, because an import of SciPy may keep the loop below waiting for seconds.
        signal.signal(signal.SIGALRM, self._kill_late)
        signal.setitimer(signal.ITIMER_REAL, LOOK_S, LOOK_S)
        self._ready.register(control, selectors.EVENT_READ)

    def serve(self) -> None:
        """Until the worker is gone."""
        while True:
            for key, _ in self._ready.select(LOOK_S):
                if key.fileobj is self._control:
                    request = self._read()
                    if request is None:
                        return
                    self._begin(request)
                else:
                    self._listen(self._children[key.fd])
            self._enforce()

    def stop(self) -> None:
        """Kill every child."""
        for child in list(self._children.values()):
            self._end(child)

    def _begin(self, request: dict[str, Any]) -> None:
        share_modules(request["source"])
        folder = Path(tempfile.mkdtemp(dir=self._root))
        ours, theirs = os.pipe()
        pid = os.fork()
        if pid == 0:
            grade_and_exit(request, folder, theirs)
        os.close(theirs)
        self._ready.register(ours, selectors.EVENT_READ)
        self._children[ours] = Child(
            request_id=request["id"],
            pid=pid,
            pipe=ours,
            folder=folder,
            deadline=time.monotonic() + request["timeout_s"],
            timeout_s=request["timeout_s"],
            disk_bytes=request["disk_bytes"],
        )

    def _listen(self, child: Child) -> None:
        chunk = os.read(child.pipe, LONGEST_REPLY)
        child.said += chunk
        if chunk and len(child.said) <= LONGEST_REPLY:
            return
        status = self._end(child)
        late = failed(f"took longer than {child.timeout_s:g} s")
        self._reply(child, late if child.is_late else outcome(bytes(child.said), status))

    def _kill_late(self, *_: object) -> None:
        """Its pipe ends by that, which the loop sees."""
        now = time.monotonic()
        for child in list(self._children.values()):
            if now >= child.deadline and not child.is_late:
                child.is_late = True
                kill(child.pid)

    def _enforce(self) -> None:
        for child in list(self._children.values()):
            if size_of(child.folder) > child.disk_bytes:
                self._end(child)
                most = f"{child.disk_bytes / 2**20:g} MB"
                self._reply(child, failed(f"wrote more than {most} into its folder"))

    def _end(self, child: Child) -> int:
        """Kill the child's process group, and take away all it had; its exit status."""
        del self._children[child.pipe]
        self._ready.unregister(child.pipe)
        os.close(child.pipe)
        kill(child.pid)
        _, status = os.waitpid(child.pid, 0)
        shutil.rmtree(child.folder, ignore_errors=True)
        return status

    def _reply(self, child: Child, said: dict[str, Any]) -> None:
        body = json.dumps({"id": child.request_id, **said}).encode()
        self._control.sendall(struct.pack("!I", len(body)) + body)

    def _read(self) -> dict[str, Any] | None:
        head = self._exactly(4)
        body = self._exactly(struct.unpack("!I", head)[0]) if head else b""
        return json.loads(body) if body else None

    def _exactly(self, n_bytes: int) -> bytes:
        """So many bytes; none when the worker is gone."""
        got = bytearray()
        while len(got) < n_bytes:
            chunk = self._control.recv(n_bytes - len(got))
            if not chunk:
                return b""
            got += chunk
        return bytes(got)


def kill(pid: int) -> None:
    """Kill the child's process group, or the child before it made one."""
    for send in (os.killpg, os.kill):
        try:
            send(pid, signal.SIGKILL)
        except ProcessLookupError:
            # No such group yet: the second finds the process.
            continue


def failed(message: str, error: str = "runtime") -> dict[str, Any]:
    """A reply without a score."""
    return {"error": error, "message": message}


def outcome(said: bytes, status: int) -> dict[str, Any]:
    """The reply of a child that has ended: its own, or how it ended without one."""
    try:
        reply = json.loads(said)
    except ValueError:
        reply = None
    if isinstance(reply, dict) and isinstance(reply.get("score"), float):
        return {"score": reply["score"]}
    if isinstance(reply, dict) and isinstance(reply.get("message"), str):
        error = "server" if reply.get("error") == "server" else "runtime"
        return failed(reply["message"][:LONGEST_MESSAGE], error)
    if os.WIFSIGNALED(status) and not said:
        return failed(f"was ended by {signal.Signals(os.WTERMSIG(status)).name}")
    return failed("ended without an answer")


def size_of(folder: Path) -> int:
    """Bytes of the files in a folder, where every file takes a block at least."""
    total = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                # It may be removed by the child while it is looked at.
                total += max(BLOCK, entry.stat(follow_symlinks=False).st_size)
    return total


def share_modules(source: str) -> None:
    """Import what of the shared packages the source names, before the fork."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        # The child says what is wrong with it.
        return
    named: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            named += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            named += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    for name in named:
        if name.partition(".")[0] in SHARED and name not in sys.modules:
            try:
                importlib.import_module(name)
            except ImportError:
                continue


def grade_and_exit(request: dict[str, Any], folder: Path, pipe: int) -> None:
    """In the child: confine it, run the code, write one reply and end."""
    said = failed("the child was not set up", "server")
    try:
        detach(folder, pipe)
        confinement.confine(
            folder,
            memory_bytes=address_space() + request["memory_bytes"],
            cpu_s=request["timeout_s"],
            disk_bytes=request["disk_bytes"],
        )
        # Stands when memory is too short even to tell so.
        said = failed("MemoryError: out of memory")
        said = score_of(request["source"], request["sample"], request["item"])
    except (confinement.NotConfined, OSError, ValueError, OverflowError) as error:
        said = failed(f"code can't be confined on this machine: {error}", "server")
    finally:
        os.write(PIPE, json.dumps(said).encode())
        os._exit(0)


PIPE = 3


def detach(folder: Path, pipe: int) -> None:
    """A session and folder of its own, and no descriptor but the pipe's."""
    os.setsid()
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    if pipe != PIPE:
        os.dup2(pipe, PIPE, inheritable=False)
    os.closerange(PIPE + 1, os.sysconf("SC_OPEN_MAX"))
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    os.close(null)
    os.chdir(folder)
    # When memory runs out the kernel takes this process before any other; where /proc is read-only
    # the limit on its own memory still holds.
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def address_space() -> int:
    """Bytes that this process has mapped already."""
    pages = Path("/proc/self/statm").read_text().split()[0]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def score_of(source: str, sample: Any, item: Any) -> dict[str, Any]:
    """What the source's `grade(sample, item)` returns, or what went wrong in it and where."""
    random.seed(0)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(0)
    lines = source.splitlines(keepends=True)
    linecache.cache[SOURCE_NAME] = (len(source), None, lines, SOURCE_NAME)
    space: dict[str, Any] = {"__name__": "grader", "__builtins__": __builtins__}
    try:
        exec(compile(source, SOURCE_NAME, "exec"), space)  # noqa: S102  confined before
        if not callable(space.get("grade")):
            return failed("defines no function `grade(sample, item)`")
        return checked(space["grade"](sample, item))
    except BaseException as error:  # noqa: BLE001  whatever it raises, SystemExit too, is told
        return failed(told(error))


def checked(value: Any) -> dict[str, Any]:
    """The score as a reply, when it is a finite number."""
    if not isinstance(value, numbers.Real):
        return failed(f"returned {type(value).__name__} {value!r:.80}, which is no number")
    score = float(value)
    if score != score or score in (float("inf"), float("-inf")):
        return failed(f"returned {score}, which is no score")
    return {"score": score}


def told(error: BaseException) -> str:
    """`ZeroDivisionError on line 3: division by zero`."""
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == SOURCE_NAME
    ]
    line = error.lineno if isinstance(error, SyntaxError) else (lines or [None])[-1]
    place = f" on line {line}" if line else ""
    said = f"{type(error).__name__}{place}: {error!s:.300}"
    return said + BOUNDS if isinstance(error, PermissionError) else said


def main() -> None:
    """Arguments: the folder to work in, and the descriptor of the worker's socket."""
    root = Path(sys.argv[1])
    warden = Warden(socket.socket(fileno=int(sys.argv[2])), root)
    try:
        warden.serve()
    finally:
        warden.stop()
        shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    main()
