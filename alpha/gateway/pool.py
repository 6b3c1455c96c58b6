"""Connections to upstreams, kept open between requests: a worker's one HTTP client."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import defaultdict
from dataclasses import dataclass, field
from time import monotonic
from urllib.parse import quote, urlsplit

from aiohappyeyeballs import AddrInfoType, start_connection

from alpha.gateway.exchange import Connection, Disconnected, Response

PORTS = {"http": 80, "https": 443}
UNRESERVED = "/:@!$&'()*+,;=%~-._"
# An address that does not answer for so long is not waited for alone (RFC 8305).
NEXT_ADDRESS_AFTER_S = 0.25
# Time limits are looked at this often within the shortest of them, for all connections at once.
LOOKS = 4
OFTENEST_S, RAREST_S = 0.02, 1.0


class ConnectTimeout(TimeoutError):
    """Nothing was sent: the upstream did not take the connection in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Whom a connection is open to."""

    host: str
    port: int
    is_tls: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where requests go: the origin, and their head up to the length of the body."""

    origin: Origin
    head: bytes = field(repr=False)


def target_of(url: str, secret: str = "") -> Target:
    """JSON posted to that URL, with the secret as bearer token; ValueError for no such URL."""
    parts = urlsplit(url)
    if parts.scheme not in PORTS or not parts.hostname:
        raise ValueError("an upstream's URL is http://host or https://host")
    host = (
        parts.hostname.encode("idna").decode() if not parts.hostname.isascii() else parts.hostname
    )
    shown = f"[{host}]" if ":" in host else host
    lines = [
        f"POST {quote(parts.path, safe=UNRESERVED)} HTTP/1.1",
        f"host: {shown}:{parts.port}" if parts.port else f"host: {shown}",
        *("user-agent: slipway", "accept: */*", "accept-encoding: identity"),
        "content-type: application/json",
    ]
    if secret:
        if not secret.isascii() or not secret.isprintable():
            raise ValueError("an upstream's key is printable ASCII")
        lines.append(f"authorization: Bearer {secret}")
    origin = Origin(
        host=host, port=parts.port or PORTS[parts.scheme], is_tls=parts.scheme == "https"
    )
    return Target(origin=origin, head="\r\n".join([*lines, "content-length: "]).encode())


class Pool:
    """Times in seconds; `keep_s` is how long a connection is kept that nobody uses."""

    def __init__(
        self, *, connect_s: float, silence_s: float, whole_call_s: float, keep_s: float = 30.0
    ) -> None:
        self._connect_s, self._silence_s = connect_s, silence_s
        self._whole_call_s, self._keep_s = whole_call_s, keep_s
        shortest = min(silence_s, whole_call_s, keep_s)
        self._look_every_s = min(max(shortest / LOOKS, OFTENEST_S), RAREST_S)
        self._free: dict[Origin, list[Connection]] = defaultdict(list)
        self._open: dict[Connection, Origin] = {}
        self._tls = ssl.create_default_context()
        self._looking: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        """How many connections are open."""
        return len(self._open)

    @property
    def n_free(self) -> int:
        """How many of them wait for a request."""
        return sum(map(len, self._free.values()))

    def open(self) -> None:
        self._looking = asyncio.create_task(self._look(), name="gateway-upstreams")

    async def close(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        for connection in tuple(self._open):
            connection.abort()

    async def post(self, target: Target, body: bytes) -> Response:
        """The answer, once its head has come: OSError, ConnectTimeout, TimeoutError.

        A kept connection may have been closed by the upstream meanwhile: then it answers nothing,
        and the request is sent once more by a new one.
        """
        kept = self._take(target.origin)
        if kept is not None:
            try:
                return await kept.ask(target.head, body)
            except Disconnected:
                pass
        connection = await self._connect(target.origin)
        return await connection.ask(target.head, body)

    def _take(self, origin: Origin) -> Connection | None:
        """The one used last: the others may run out meanwhile."""
        free = self._free.get(origin)
        while free:
            connection = free.pop()
            if connection.is_open:
                return connection
        return None

    async def _connect(self, origin: Origin) -> Connection:
        try:
            async with asyncio.timeout(self._connect_s):
                return await self._connected(origin)
        except TimeoutError as error:
            told = f"no connection to {origin.host}:{origin.port} within {self._connect_s:g} s"
            raise ConnectTimeout(told) from error

    async def _connected(self, origin: Origin) -> Connection:
        loop = asyncio.get_running_loop()
        found: list[AddrInfoType] = await loop.getaddrinfo(
            origin.host, origin.port, type=socket.SOCK_STREAM
        )
        opened = await start_connection(
            found, happy_eyeballs_delay=NEXT_ADDRESS_AFTER_S, interleave=1, loop=loop
        )
        try:
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _, connection = await loop.create_connection(
                lambda: Connection(self._is_free, self._is_lost),
                sock=opened,
                ssl=self._tls if origin.is_tls else None,
                server_hostname=origin.host if origin.is_tls else None,
            )
        except BaseException:
            opened.close()
            raise
        self._open[connection] = origin
        return connection

    def _is_free(self, connection: Connection) -> None:
        self._free[self._open[connection]].append(connection)

    def _is_lost(self, connection: Connection) -> None:
        origin = self._open.pop(connection, None)
        if origin is not None and connection in self._free[origin]:
            self._free[origin].remove(connection)

    async def _look(self) -> None:
        """One clock for all of them: a timer for each request costs more than its parsing."""
        while True:
            await asyncio.sleep(self._look_every_s)
            now = monotonic()
            for connection in tuple(self._open):
                connection.check_time(now, self._silence_s, self._whole_call_s)
            for free in self._free.values():
                for connection in [c for c in free if now - c.free_since > self._keep_s]:
                    connection.abort()
