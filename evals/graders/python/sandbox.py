"""The worker's side of the warden: one process a shard, started when the first code is to run."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evals.graders.contract import GraderError, GraderErrorKind, Limits
from evals.graders.python.folders import Folder

WARDEN = Path(__file__).with_name("warden.py")
# What the code sees of the environment; the same hashes and sums on every machine.
ENVIRONMENT = {
    "LANG": "C.UTF-8",
    "PYTHONHASHSEED": "0",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
}
MOST_AT_ONCE = os.cpu_count() or 1
"""Children under way: more would only wait for each other while their time runs."""
GRACE_S = 60.0
"""After its time limit the warden has so long to answer before it counts as broken: it may have to
import SciPy first, on a busy machine."""


class Sandbox:
    """Runs `grade(sample, item)` in a confined process of its own; used on one event loop."""

    def __init__(self) -> None:
        self._ids = itertools.count()
        self._slots = asyncio.Semaphore(MOST_AT_ONCE)
        self._starting = asyncio.Lock()
        self._warden: _Warden | None = None

    async def score(
        self, source: str, sample: Mapping[str, Any], item: Mapping[str, Any], limits: Limits
    ) -> float:
        """What the code returns: a finite number; GraderError `python_grader_…_error` otherwise."""
        request = {
            "id": next(self._ids),
            "source": source,
            "sample": sample,
            "item": item,
            "timeout_s": limits.timeout_s,
            "memory_bytes": limits.memory_bytes,
            "disk_bytes": limits.disk_bytes,
        }
        async with self._slots:
            warden = await self._running()
            try:
                async with asyncio.timeout(limits.timeout_s + GRACE_S):
                    reply = await warden.ask(request)
            except TimeoutError as error:
                await warden.stop()
                raise _server("the process that runs code does not answer") from error
        if "score" in reply:
            return float(reply["score"])
        if reply["error"] == "server":
            raise _server(reply["message"])
        raise GraderError(GraderErrorKind.PYTHON_RUNTIME, reply["message"])

    async def close(self) -> None:
        """End the warden and all it runs; safe to repeat."""
        warden, self._warden = self._warden, None
        if warden is not None:
            await warden.stop()

    async def _running(self) -> _Warden:
        async with self._starting:
            if self._warden is not None and self._warden.is_over:
                await self.close()
            if self._warden is None:
                self._warden = await _Warden.start()
            return self._warden


class _Warden:
    """The process, and the requests that it has not answered yet."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        folder: Folder,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._process, self._folder = process, folder
        self._reader, self._writer = reader, writer
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._listening = asyncio.create_task(self._listen())
        self.is_over = False

    @classmethod
    async def start(cls) -> _Warden:
        """A new warden in an empty folder; GraderError when it can't be started."""
        try:
            folder = Folder()
        except OSError as error:
            raise _server(f"no folder to work in could be made: {error}") from error
        ours, theirs = socket.socketpair()
        try:
            process = await asyncio.to_thread(_spawn, theirs, folder.path)
        except OSError as error:
            ours.close()
            folder.remove()
            raise _server(f"no process could be started: {error}") from error
        finally:
            theirs.close()
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        return cls(process, folder, reader, writer)

    async def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The reply to a request; GraderError when the warden ends before it."""
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[request["id"]] = answer
        body = json.dumps(request).encode()
        try:
            self._writer.write(struct.pack("!I", len(body)) + body)
            await self._writer.drain()
            return await answer
        except ConnectionError as error:
            raise _server(f"the process that runs code ended: {error}") from error
        finally:
            self._waiting.pop(request["id"], None)

    async def stop(self) -> None:
        """Kill the process and everything it started."""
        self.is_over = True
        self._listening.cancel()
        self._writer.close()
        await asyncio.to_thread(_end, self._process, self._folder)

    async def _listen(self) -> None:
        try:
            while True:
                (length,) = struct.unpack("!I", await self._reader.readexactly(4))
                reply = json.loads(await self._reader.readexactly(length))
                answer = self._waiting.get(reply["id"])
                if answer is not None and not answer.done():
                    answer.set_result(reply)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.is_over = True
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_exception(_server("the process that runs code ended"))


def _spawn(control: socket.socket, root: str) -> subprocess.Popen[bytes]:
    """The warden in a session of its own, with its socket and nothing else of this process."""
    arguments = [sys.executable, "-P", "-s", "-B", str(WARDEN), root, str(control.fileno())]
    return subprocess.Popen(  # noqa: S603  this interpreter, with this project's own file
        arguments,
        env=ENVIRONMENT,
        cwd=root,
        pass_fds=[control.fileno()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _end(process: subprocess.Popen[bytes], folder: Folder) -> None:
    """Its socket is closed, so that it kills its children and leaves; killed when it does not."""
    try:
        process.wait(2.0)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    folder.remove()


def _server(message: str) -> GraderError:
    return GraderError(GraderErrorKind.PYTHON_SERVER, message)
