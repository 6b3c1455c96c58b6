"""One connection to Valkey on which commands and answers travel in order (RESP2).

redis-py opens it, since it knows addresses, passwords and TLS; its streams, pools and pipelines
cost more than the commands do, so from then on bytes are written and read here.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoScriptError, ResponseError

Answer = asyncio.Future[Any]
COLON, DOLLAR, STAR, PLUS, MINUS = b":$*+-"


class Line(asyncio.Protocol):
    """An open connection; what is asked at the same time travels together."""

    def __init__(self, connection: Any, patience_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._connection, self._patience_s = connection, patience_s
        # Private to redis-py, as is every way to its transport.
        self._transport: asyncio.Transport = connection._writer.transport
        self._before: asyncio.BaseProtocol = self._transport.get_protocol()
        self._waiting: deque[tuple[float, Answer]] = deque()
        self._rest = b""
        self._timer: asyncio.TimerHandle | None = None
        self.is_open = True
        self._transport.set_protocol(self)

    @classmethod
    async def open(cls, redis: Redis, patience_s: float) -> Line:
        """A new connection as `redis` is configured; RedisError or OSError."""
        connection = redis.connection_pool.make_connection()
        await connection.connect()
        return cls(connection, patience_s)

    async def close(self) -> None:
        self._end(ConnectionError("the connection to Valkey was closed"))
        await self._connection.disconnect(nowait=True)

    def ask(self, command: bytes) -> Answer:
        """The answer of a packed command: RedisError as Valkey refused it, OSError without one."""
        answer = self._loop.create_future()
        # A reset connection is known to the transport a moment before `connection_lost`.
        if not self.is_open or self._transport.is_closing():
            answer.set_exception(ConnectionError("the connection to Valkey is closed"))
            return answer
        self._waiting.append((self._loop.time() + self._patience_s, answer))
        self._transport.write(command)
        if self._timer is None:
            self._timer = self._loop.call_later(self._patience_s, self._look)
        return answer

    def data_received(self, data: bytes) -> None:
        data, at = self._rest + data, 0
        try:
            while at < len(data):
                value, at = parsed(data, at)
                self._give(value)
        except Incomplete:
            pass
        except (ValueError, LookupError) as error:
            self._abort(ConnectionError(f"Valkey's answer can't be read: {error}"))
            return
        self._rest = data[at:]

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc or ConnectionResetError("Valkey closed the connection"))
        # redis-py's own protocol waits for it.
        self._before.connection_lost(exc)

    def _give(self, value: Any) -> None:
        _, answer = self._waiting.popleft()
        if answer.done():
            return
        if isinstance(value, ResponseError):
            answer.set_exception(value)
        else:
            answer.set_result(value)

    def _look(self) -> None:
        """One timer for all that wait: answers come in order, so the first is the latest."""
        self._timer = None
        if not self._waiting:
            return
        due = self._waiting[0][0]
        if due <= self._loop.time():
            self._abort(TimeoutError(f"Valkey did not answer within {self._patience_s} s"))
        else:
            self._timer = self._loop.call_at(due, self._look)

    def _abort(self, error: OSError) -> None:
        self._end(error)
        self._transport.abort()

    def _end(self, error: Exception) -> None:
        self.is_open = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiting:
            _, answer = self._waiting.popleft()
            if not answer.done():
                answer.set_exception(error)


class Incomplete(Exception):
    """The rest of an answer has not arrived."""


def packed(words: Iterable[bytes | str | int]) -> bytes:
    """Words of a command as RESP bulk strings, to follow the head that counts them."""
    parts = []
    for word in words:
        raw = word if isinstance(word, bytes) else str(word).encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(raw), raw))
    return b"".join(parts)


def parsed(data: bytes, at: int) -> tuple[Any, int]:
    """The RESP2 value that begins at `at`, and where the next one does; Incomplete, ValueError.

    An error that Valkey answers is a value: a ResponseError.
    """
    end = data.find(b"\r\n", at)
    if end < 0:
        raise Incomplete
    kind, line, at = data[at], data[at + 1 : end], end + 2
    if kind == COLON:
        return int(line), at
    if kind == DOLLAR:
        return _bulk(data, at, int(line))
    if kind == STAR:
        items: list[Any] = []
        for _ in range(int(line)):
            item, at = parsed(data, at)
            items.append(item)
        return items, at
    if kind == PLUS:
        return line.decode(), at
    if kind == MINUS:
        return _error(line.decode("utf-8", "replace")), at
    raise ValueError(f"an answer that begins with {bytes([kind])!r}")


def _bulk(data: bytes, at: int, size: int) -> tuple[str | None, int]:
    if size < 0:
        return None, at
    if len(data) < at + size + 2:
        raise Incomplete
    return data[at : at + size].decode(), at + size + 2


def _error(text: str) -> ResponseError:
    return NoScriptError(text) if text.startswith("NOSCRIPT") else ResponseError(text)
