"""Calls in flight on an event loop of their own thread, taken from outside when they are done.

The thread that holds the database never waits for the network, and the loop never for the
database: it is handed calls a few hundred at a time. What is in flight or finished but not yet
stored stays within twice the concurrency: so much is called again at most when this process is
killed.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType

import uvloop

from evals.runner.grader_services import GraderServices
from evals.runner.grading import failed_row, graded_row, graded_row_async, needs_services
from evals.runner.limits import Limits
from evals.runner.pace import Paces
from evals.runner.storage import ResultRow
from evals.runner.work import Call, ShardWork
from infra.inference import ChatClient, CompletionFailed

# How long a finished result may wait for others to be stored with it.
GATHER_S = 0.05
JOIN_S = 10.0
# Calls handed to the loop ahead of what it has in flight; the first few at once.
FIRST_CALLS = 64
MOST_AHEAD = 512
# Graders that take longer than this on average leave the loop, which has answers to read.
SLOW_GRADING_S = 0.002
SHARE_OF_NEWEST = 0.5
LOOK_AT_EVERY = 8


class CallsInFlight:
    """Calls every item of the work, `concurrency` at a time; a context manager."""

    def __init__(
        self,
        work: ShardWork,
        client: ChatClient,
        limits: Limits | None = None,
        paces: Paces | None = None,
    ) -> None:
        self._work = work
        self._client = client
        self._services = GraderServices(work.endpoints, paces)
        self._limits = limits or Limits()
        self._n_fed = 0
        self._todo: deque[Call] = deque()
        self._all_fed = False
        self._fed = asyncio.Event()
        self._done: deque[ResultRow] = deque()
        self._enough = threading.Event()
        self._failure: BaseException | None = None
        self._unstored = asyncio.Semaphore(2 * work.concurrency)
        self._grading_s = 0.0
        self._n_graded = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._main: asyncio.Task[None] | None = None
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name="eval-calls", daemon=True)
        self._has_ended = False
        self.is_over = False
        """Every result was taken, or the calls were stopped."""

    def __enter__(self) -> CallsInFlight:
        self._thread.start()
        self._started.wait()
        self.feed()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        self._thread.join(JOIN_S)

    def feed(self) -> None:
        """Hand the loop more calls when it has few left; reads them from the database."""
        total, left = len(self._work.calls), len(self._todo)
        if self._n_fed == total or left > MOST_AHEAD // 2:
            return
        wanted = FIRST_CALLS if self._n_fed == 0 else MOST_AHEAD - left
        calls = self._work.calls[self._n_fed : self._n_fed + wanted]
        self._n_fed += len(calls)
        is_last = self._n_fed == total
        self._from_outside(lambda: self._take_in(calls, is_last))

    def take(self, wait_s: float) -> list[ResultRow]:
        """Finished results, after `wait_s` seconds at the latest; raises what broke the loop.

        As soon as there are as many as half of what may be unstored, and after GATHER_S otherwise.
        """
        end = time.monotonic() + wait_s
        self._enough.wait(min(wait_s, GATHER_S))
        while not self._done and not self._has_ended and time.monotonic() < end:
            self._enough.wait(min(GATHER_S, max(0.0, end - time.monotonic())))
        self._enough.clear()
        has_ended = self._has_ended
        rows = [self._done.popleft() for _ in range(len(self._done))]
        if has_ended:
            self._thread.join(JOIN_S)
            self.is_over = True
            if self._failure is not None:
                raise self._failure
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

    def _take_in(self, calls: Sequence[Call], is_last: bool) -> None:
        self._todo.extend(calls)
        self._all_fed = is_last
        self._fed.set()

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._call_all())
        except asyncio.CancelledError:
            pass
        except BaseException as error:  # noqa: BLE001  handed to the thread that takes results
            self._failure = error
        finally:
            self._started.set()
            self._has_ended = True
            self._enough.set()

    async def _call_all(self) -> None:
        self._loop, self._main = asyncio.get_running_loop(), asyncio.current_task()
        self._started.set()
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self._work.concurrency, len(self._work.calls))):
                    group.create_task(self._call_some())
        finally:
            await self._services.close()
            await self._client.close()

    async def _call_some(self) -> None:
        while (call := await self._next()) is not None:
            await self._unstored.acquire()
            if not self._limits.admits():
                return
            row = await self._result(call)
            self._limits.settle(row)
            self._done.append(row)
            if len(self._done) >= self._work.concurrency:
                self._enough.set()

    async def _next(self) -> Call | None:
        """The next call; None when there is none left."""
        while not self._todo:
            if self._all_fed:
                return None
            self._fed.clear()
            await self._fed.wait()
        return self._todo.popleft()

    async def _result(self, call: Call) -> ResultRow:
        try:
            completion = await self._client.complete(call.body)
        except CompletionFailed as failure:
            return failed_row(self._work, call, failure)
        if needs_services(self._work, call):
            return await graded_row_async(self._work, call, completion, self._services)
        if self._grading_s > SLOW_GRADING_S:
            return await asyncio.to_thread(graded_row, self._work, call, completion)
        self._n_graded += 1
        if self._n_graded % LOOK_AT_EVERY:
            return graded_row(self._work, call, completion)
        began = time.thread_time()
        row = graded_row(self._work, call, completion)
        took_s = time.thread_time() - began
        self._grading_s += SHARE_OF_NEWEST * (took_s - self._grading_s)
        return row
