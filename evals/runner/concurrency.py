"""Calls in flight on an event loop of their own thread, taken from outside when they are done.

The thread that holds the database never waits for the network, and the loop never for the
database. What is in flight or finished but not yet stored stays within twice the concurrency: so
much is called again at most when this process is killed.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType

from evals.runner.grading import failed_row, graded_row
from evals.runner.storage import ResultRow
from evals.runner.work import Call, ShardWork
from infra.inference import ChatClient, CompletionFailed

# How long a finished result may wait for others to be stored with it.
GATHER_S = 0.05
JOIN_S = 10.0


class CallsInFlight:
    """Calls every item of the work, `concurrency` at a time; a context manager."""

    def __init__(self, work: ShardWork, client: ChatClient) -> None:
        self._work = work
        self._client = client
        self._done: queue.SimpleQueue[ResultRow | None] = queue.SimpleQueue()
        self._failure: BaseException | None = None
        self._unstored = asyncio.Semaphore(2 * work.concurrency)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._main: asyncio.Task[None] | None = None
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name="eval-calls", daemon=True)
        self.is_over = False
        """Every result was taken, or the calls were stopped."""

    def __enter__(self) -> CallsInFlight:
        self._thread.start()
        self._started.wait()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        self._thread.join(JOIN_S)

    def take(self, wait_s: float) -> list[ResultRow]:
        """Finished results, at most `wait_s` seconds from now; raises what broke the loop."""
        rows: list[ResultRow] = []
        end = time.monotonic() + wait_s
        while len(rows) < self._work.concurrency:
            try:
                row = self._done.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                break
            if row is None:
                self._thread.join(JOIN_S)
                self.is_over = True
                if self._failure is not None:
                    raise self._failure
                break
            if not rows:
                end = min(end, time.monotonic() + GATHER_S)
            rows.append(row)
        return rows

    def stored(self, n_rows: int) -> None:
        """Tell that so many results are durable, which lets as many calls begin."""
        self._from_outside(lambda: [self._unstored.release() for _ in range(n_rows)])

    def stop(self) -> None:
        """Begin no further call and drop those in flight; safe to repeat."""
        self._from_outside(lambda: self._main.cancel() if self._main else None)

    def _from_outside(self, act: Callable[[], object]) -> None:
        loop = self._loop
        try:
            if loop is not None:
                loop.call_soon_threadsafe(act)
        except RuntimeError:
            # The loop has ended by itself in between: there is nothing left to tell it.
            return

    def _run(self) -> None:
        try:
            asyncio.run(self._call_all())
        except asyncio.CancelledError:
            pass
        except BaseException as error:  # noqa: BLE001  handed to the thread that takes results
            self._failure = error
        finally:
            self._started.set()
            self._done.put(None)

    async def _call_all(self) -> None:
        self._loop, self._main = asyncio.get_running_loop(), asyncio.current_task()
        self._started.set()
        todo = iter(self._work.calls)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self._work.concurrency, len(self._work.calls))):
                    group.create_task(self._call_some(todo))
        finally:
            await self._client.close()

    async def _call_some(self, todo: Iterator[Call]) -> None:
        for call in todo:
            await self._unstored.acquire()
            self._done.put(await self._result(call))

    async def _result(self, call: Call) -> ResultRow:
        try:
            completion = await self._client.complete(call.body)
        except CompletionFailed as failure:
            return failed_row(self._work, call, failure)
        return await asyncio.to_thread(graded_row, self._work, call, completion)
