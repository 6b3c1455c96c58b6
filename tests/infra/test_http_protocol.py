"""Answers over a real uvicorn whose head travels with what follows it."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
import uvicorn

from infra.http_protocol import HeadWithBody, Joining

LENGTH = [(b"content-length", b"2")]


class Transport:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.told.append(data)

    def close(self) -> None:
        self.told.append(b"closed")

    def is_closing(self) -> bool:
        return b"closed" in self.told


async def _answer(scope: Any, receive: Any, send: Any) -> None:
    path = scope["path"]
    headers = [] if path == "/chunks" else LENGTH
    if path == "/echo":
        message = await receive()
        assert message["body"] == b"hi"
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if path == "/late":
        await asyncio.sleep(0.2)
    pieces = (b"o", b"k") if path in ("/chunks", "/late") else (b"ok",)
    for at, piece in enumerate(pieces, 1):
        more = at < len(pieces)
        await send({"type": "http.response.body", "body": piece, "more_body": more})


def _exchange(*requests: bytes) -> list[bytes]:
    """What a client reads after each request on one connection, read by read."""

    async def scenario() -> list[bytes]:
        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        config = uvicorn.Config(
            _answer, http=HeadWithBody, log_level="error", lifespan="off", loop="uvloop"
        )
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        while not server.started:
            await asyncio.sleep(0.01)
        reader, writer = await asyncio.open_connection(*listening.getsockname())
        reads = []
        for request in requests:
            writer.write(request)
            read = b""
            while not read.endswith((b"ok", b"k", b"0\r\n\r\n", b"Continue\r\n\r\n")):
                read += await asyncio.wait_for(reader.read(65536), 10)
                reads.append(read)
            reads[-1] = read
        writer.close()
        server.should_exit = True
        await serving
        return reads

    return asyncio.run(scenario())


def _get(path: str, method: str = "GET") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode()


def test_head_and_body_come_in_one_piece() -> None:
    for read in _exchange(_get("/"), _get("/")):
        assert read.startswith(b"HTTP/1.1 200 OK\r\n") and read.endswith(b"\r\n\r\nok")


def test_chunks_follow_the_first_one() -> None:
    assert _exchange(_get("/chunks"))[-1].endswith(b"\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n")


def test_a_head_does_not_wait_for_a_body_that_is_late() -> None:
    first, *_, last = _exchange(_get("/late"))
    assert first.endswith(b"\r\n\r\n") and last == first + b"ok"


def test_a_client_may_wait_to_be_told_to_go_on() -> None:
    head = b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n"
    told, answer = _exchange(head, b"hi")
    assert told == b"HTTP/1.1 100 Continue\r\n\r\n" and answer.endswith(b"\r\n\r\nok")


@pytest.mark.parametrize("ends", ["by itself", "closed"])
def test_a_head_alone_is_written_once(ends: str) -> None:
    async def scenario() -> list[bytes]:
        inner = Transport()
        outer = Joining(inner)  # type: ignore[arg-type]
        outer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        assert inner.told == [] and not outer.is_closing()
        if ends == "closed":
            outer.close()
        await asyncio.sleep(0)
        return inner.told

    told = asyncio.run(scenario())
    assert told == [b"HTTP/1.1 204 No Content\r\n\r\n", b"closed"][: 2 if ends == "closed" else 1]


def test_a_body_that_looks_like_a_head_keeps_its_place() -> None:
    async def scenario() -> bytes:
        inner = Transport()
        outer = Joining(inner)  # type: ignore[arg-type]
        for piece in (b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 a", b"HTTP/1.1 b", b"c"):
            outer.write(piece)
        await asyncio.sleep(0)
        return b"|".join(inner.told)

    assert asyncio.run(scenario()) == b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 a|HTTP/1.1 bc"
