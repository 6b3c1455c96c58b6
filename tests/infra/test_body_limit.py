"""Bodies that are too large are refused before anything keeps them: over real HTTP."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn

from infra.body_limit import with_body_limit

MOST = 100_000


async def counts(scope: Any, receive: Any, send: Any) -> None:
    """Reads the whole body and says how long it was."""
    n, more = 0, True
    while more:
        message = await receive()
        n, more = n + len(message.get("body", b"")), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(n).encode()})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    config = uvicorn.Config(
        with_body_limit(counts, MOST), port=0, lifespan="off", log_level="error"
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
        thread.start()
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join(10)


def answered(
    port: int, head: str, *parts: bytes, path: str = "/api/runs/import/"
) -> tuple[int, bytes]:
    """Status and body of what is answered to a request sent as it stands."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(f"POST {path} HTTP/1.1\r\nHost: here\r\n{head}\r\n\r\n".encode())
        for part in parts:
            try:
                client.sendall(part)
            except ConnectionError:
                break
        got = b""
        try:
            while chunk := client.recv(65536):
                got += chunk
        except ConnectionError:
            pass
    top, _, body = got.partition(b"\r\n\r\n")
    return int(top.split()[1]), body


def chunked(n_bytes: int) -> bytes:
    return b"%x\r\n%s\r\n" % (n_bytes, b"a" * n_bytes)


def test_a_body_within_the_limit_is_read_whole(port: int) -> None:
    head = f"Content-Length: {MOST}\r\nConnection: close"
    status, body = answered(port, head, b"a" * MOST)
    assert status == 200 and str(MOST).encode() in body


def test_an_announced_one_is_refused_before_it_is_sent(port: int) -> None:
    status, body = answered(port, f"Content-Length: {MOST + 1}")
    assert status == 413
    assert json.loads(body)["code"] == "too_large"


def test_a_browser_is_told_in_words(port: int) -> None:
    status, body = answered(port, f"Content-Length: {MOST + 1}", path="/console/imports/")
    assert status == 413 and body.startswith(b"The body is larger than")


def test_one_that_hides_its_length_is_refused_while_it_comes(port: int) -> None:
    pieces = [chunked(MOST // 2)] * 3
    status, _ = answered(port, "Transfer-Encoding: chunked", *pieces)
    assert status == 413
