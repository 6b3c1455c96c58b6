"""One HTTP/1.1 connection to an upstream, and what it answers; llhttp reads the bytes.

A general client's redirects, cookies, middlewares and timers of its own cost a worker as much as
the rest of a call (docs/gateway.md has the figures). Here a connection has one request at a time,
and is closed wherever it is not certain that the last answer was read whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from time import monotonic

import httptools

HEAD_LIMIT_BYTES = 64 * 1024
# Unread bytes of an answer beyond which its connection is not read any further.
UNREAD_LIMIT_BYTES = 256 * 1024
UNCODED = ("", "identity")
# Without either of them the body ends where the connection does.
BOUNDED_BY = frozenset({b"content-length", b"transfer-encoding"})


class Disconnected(ConnectionResetError):
    """The upstream closed the connection before its answer was whole."""


class NotHttp(OSError):
    """What the upstream sent can't be read as the answer that was asked for."""


class TooLong(Exception):
    """The answer is longer than whoever reads it takes."""


class Response:
    """An answer; its body is read by one task."""

    __slots__ = (
        "_connection",
        "_parts",
        "_unread",
        "_waiter",
        "error",
        "headers",
        "is_whole",
        "status",
    )

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.status = 0
        """0 until the head has come."""
        self.headers: dict[bytes, bytes] = {}
        """By lower-case name; the last one of a name."""
        self.is_whole = False
        self.error: OSError | None = None
        self._parts: list[bytes] = []
        self._unread = 0
        self._waiter: asyncio.Future[None] | None = None

    def header(self, name: bytes) -> str:
        """The header's text, "" when absent; `name` in lower case."""
        return self.headers.get(name, b"").decode("latin-1")

    async def begun(self) -> None:
        """Once the head has come; OSError."""
        while not self.status:
            await self._more()

    async def read(self, limit: int) -> bytes:
        """The whole body; TooLong, OSError."""
        while not self.is_whole:
            if self._unread > limit:
                raise TooLong
            await self._more()
        if self._unread > limit:
            raise TooLong
        parts = self._parts
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def parts(self) -> AsyncIterator[bytes]:
        """The body as it comes; OSError."""
        while True:
            if self._parts:
                part = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
                self._parts.clear()
                self._unread = 0
                self._connection.read_on()
                yield part
            elif self.is_whole:
                return
            else:
                await self._more()

    def close(self) -> None:
        """Nobody reads it any more: what is not whole by now takes its connection along."""
        if not self.is_whole:
            self._connection.abort()

    def take(self, part: bytes) -> int:
        """Add a part of the body; returns how much is unread."""
        self._parts.append(part)
        self._unread += len(part)
        return self._unread

    def tell(self) -> None:
        """Wake the task that reads: there is more, the end, or an error."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _more(self) -> None:
        if self.error is not None:
            raise self.error
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None


class Connection(asyncio.Protocol):
    """Open to one origin; `on_free` is told when it may take another request."""

    def __init__(
        self, on_free: Callable[[Connection], None], on_lost: Callable[[Connection], None]
    ) -> None:
        self._on_free, self._on_lost = on_free, on_lost
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._response: Response | None = None
        self._draft: dict[bytes, bytes] | None = None
        self._head_bytes = 0
        self._is_paused = self._ends_with_connection = False
        self.asked_at = self.heard_at = self.free_since = monotonic()

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    async def ask(self, head: bytes, body: bytes) -> Response:
        """Send a request whose head lacks but its length; returns once the answer has begun.

        OSError. Cancelled, or with an error, the connection is closed.
        """
        if self._transport is None or self._response is not None:
            raise RuntimeError("a connection takes one request at a time, once it is open")
        response = self._response = Response(self)
        self._head_bytes, self._ends_with_connection = 0, False
        self.asked_at = self.heard_at = monotonic()
        self._transport.write(b"%b%d\r\n\r\n%b" % (head, len(body), body))
        try:
            await response.begun()
        except BaseException:
            self.abort()
            raise
        return response

    def check_time(self, now: float, silence_s: float, whole_call_s: float) -> None:
        """End an answer that has said nothing for too long, or lasts too long."""
        if self._response is None:
            return
        if not self._is_paused and now - self.heard_at > silence_s:
            self._end(TimeoutError(f"the upstream was silent for {silence_s:g} s"))
        elif now - self.asked_at > whole_call_s:
            self._end(TimeoutError(f"the answer took longer than {whole_call_s:g} s"))

    def read_on(self) -> None:
        """What was read has been taken: read again, if that was waited for."""
        if self._is_paused and self._transport is not None:
            self._is_paused, self.heard_at = False, monotonic()
            self._transport.resume_reading()

    def abort(self) -> None:
        """Close it at once: the upstream stops what it does for nobody."""
        self._end(Disconnected("the connection was closed here"))

    # What the transport tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # of a stream

    def data_received(self, data: bytes) -> None:
        response = self._response
        if response is None:
            # Nobody asked: whatever it is, it must not be taken for the next one's answer.
            self.abort()
            return
        self.heard_at = monotonic()
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            # Our own refusal, where a callback raised it.
            cause = error.__context__ if isinstance(error.__context__, NotHttp) else None
            self._end(cause or NotHttp(f"the answer can't be read: {error}"))
        else:
            self._check_head(len(data))
        response.tell()

    def connection_lost(self, exc: Exception | None) -> None:
        response, self._response = self._response, None
        if response is not None and not response.is_whole:
            if response.status and self._ends_with_connection and exc is None:
                response.is_whole = True
            else:
                response.error = Disconnected("the upstream closed the connection")
            response.tell()
        self._on_lost(self)

    # What the parser tells, in order.

    def on_message_begin(self) -> None:
        if self._response is None or self._response.status:
            raise NotHttp("an answer that nobody asked for")
        self._draft = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._draft is not None:
            self._draft[name.lower()] = value

    def on_headers_complete(self) -> None:
        response, draft, status = self._response, self._draft, self._parser.get_status_code()
        # An informational answer comes before the one that was asked for.
        if response is None or draft is None or status < 200:
            return
        response.headers, self._draft = draft, None
        if (coding := response.header(b"content-encoding")) not in UNCODED:
            raise NotHttp(f"the answer came as {coding[:20]}, which was not asked for")
        self._ends_with_connection = not draft.keys() & BOUNDED_BY
        response.status = status

    def on_body(self, body: bytes) -> None:
        response = self._response
        if response is None:
            return
        if response.take(body) > UNREAD_LIMIT_BYTES and self._transport is not None:
            self._is_paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        response = self._response
        if response is None or not response.status:
            return
        response.is_whole = True
        self._response = None
        if self._parser.should_keep_alive() and self.is_open:
            self.free_since = monotonic()
            self.read_on()
            self._on_free(self)
        elif self._transport is not None:
            self._transport.close()

    def _check_head(self, n_bytes: int) -> None:
        response = self._response
        if response is None or response.status:
            return
        self._head_bytes += n_bytes
        if self._head_bytes > HEAD_LIMIT_BYTES:
            self._end(NotHttp(f"the head of the answer is over {HEAD_LIMIT_BYTES} bytes"))

    def _end(self, error: OSError) -> None:
        """Close it; whoever waits for an answer is told the error."""
        response, self._response = self._response, None
        if self._transport is not None:
            self._transport.abort()
        if response is not None and not response.is_whole:
            response.error = error
            response.tell()
