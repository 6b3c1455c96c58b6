"""A TCP port before a Unix socket, for tests where a service goes away."""

from __future__ import annotations

import asyncio
import threading


class Cuttable:
    """A way to a service's socket that can be cut: connections die, new ones are refused."""

    def __init__(self, socket: str) -> None:
        self._socket = socket
        self._open: set[asyncio.StreamWriter] = set()
        self._is_cut = False
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(10)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def cut(self, *, answers_only: bool = False) -> None:
        """`answers_only`: what was asked still arrives; nobody hears what came of it."""
        self._loop.call_soon_threadsafe(self._cut, answers_only)

    def join(self) -> None:
        self._is_cut = False

    def _cut(self, answers_only: bool) -> None:
        self._is_cut = True
        for writer in () if answers_only else tuple(self._open):
            writer.transport.abort()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(
            asyncio.start_server(self._carry, "127.0.0.1", 0, limit=2**20)
        )
        self.host, self.port = server.sockets[0].getsockname()[:2]
        self._ready.set()
        self._loop.run_forever()

    async def _carry(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        if self._is_cut:
            back.transport.abort()
            return
        far, forth = await asyncio.open_unix_connection(self._socket)
        both = {back, forth}
        self._open |= both
        await asyncio.gather(self._copy(near, forth, False), self._copy(far, back, True))
        self._open -= both

    async def _copy(
        self, source: asyncio.StreamReader, to: asyncio.StreamWriter, are_answers: bool
    ) -> None:
        is_behind = False
        try:
            while data := await source.read(2**16):
                if are_answers and self._is_cut:
                    # Open all the same: whoever asks next finds nothing wrong before asking.
                    is_behind = True
                elif is_behind:
                    break
                else:
                    to.write(data)
        except OSError:
            pass
        to.transport.abort()
