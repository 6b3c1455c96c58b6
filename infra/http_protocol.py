"""uvicorn's HTTP/1.1, but for one thing: the head of an answer goes out with what follows it.

uvicorn writes head and body one after the other, and uvloop sends each at once: two packets, and
two wake-ups of the client, for every answer. `--http infra.http_protocol:HeadWithBody` joins them.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD = b"HTTP/1.1 "


class Joining:
    """Holds the head of an answer until the next write, for a turn of the loop at most."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport, self._held = transport, b""
        self._call_soon = asyncio.get_running_loop().call_soon

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if self._held:
            data, self._held = self._held + data, b""
        elif data.startswith(HEAD):
            self._held = data
            self._call_soon(self._let_go)
            return
        self._transport.write(data)

    def close(self) -> None:
        self._let_go()
        self._transport.close()

    def _let_go(self) -> None:
        """Nothing followed in the same turn."""
        if self._held:
            held, self._held = self._held, b""
            self._transport.write(held)


class HeadWithBody(HttpToolsProtocol):
    """For `uvicorn --http`."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(Joining(transport))  # type: ignore[arg-type]
