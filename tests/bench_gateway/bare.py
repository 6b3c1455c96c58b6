"""The reference: the least that a proxy in Python does, by uvicorn, uvloop, httptools, aiohttp.

It checks a key, renames the model both ways, forwards, and counts usage in memory. It has no
limits, budget, grants, record, allow list, time-outs or errors of its own.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import orjson

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

DIGEST = hashlib.sha256(os.environ.get("BENCH_KEY", "").encode()).digest()
BASES = {
    name: os.environ.get("BENCH_UPSTREAM", "") + f"/{name}/v1/chat/completions"
    for name in ("json", "stream", "paced")
}
JSON = [(b"content-type", b"application/json")]
EVENTS = [(b"content-type", b"text/event-stream")]
used: Counter[str] = Counter()
sessions: list[aiohttp.ClientSession] = []


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """ASGI: `POST /v1/chat/completions` alone."""
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
        return
    key = dict(scope["headers"]).get(b"authorization", b"").removeprefix(b"Bearer ")
    if not hmac.compare_digest(hashlib.sha256(key).digest(), DIGEST):
        await _reply(send, 401, b'{"error":{}}')
        return
    body = orjson.loads(await _body(receive))
    codename, body["model"] = body["model"], "upstream"
    url = BASES[codename.removeprefix("bench-")]
    async with sessions[0].post(url, data=orjson.dumps(body)) as answer:
        if body.get("stream"):
            await _pass_on(answer, codename, send)
            return
        reply = orjson.loads(await answer.read())
    reply["model"] = codename
    _count(reply["usage"])
    await _reply(send, 200, orjson.dumps(reply))


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            connector = aiohttp.TCPConnector(limit=0)
            headers = {"content-type": "application/json"}
            sessions.append(aiohttp.ClientSession(connector=connector, headers=headers))
            await send({"type": "lifespan.startup.complete"})
        else:
            await sessions.pop().close()
            await send({"type": "lifespan.shutdown.complete"})
            return


async def _body(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


async def _pass_on(answer: aiohttp.ClientResponse, codename: str, send: Send) -> None:
    """Each event by itself, as a proxy does that wants no chunk held back."""
    await send({"type": "http.response.start", "status": 200, "headers": EVENTS})
    async for line in answer.content:
        if not line.startswith(b"data: {"):
            continue
        chunk = orjson.loads(line[6:])
        chunk["model"] = codename
        if chunk.get("usage"):
            _count(chunk["usage"])
        piece = b"data: %s\n\n" % orjson.dumps(chunk)
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b"data: [DONE]\n\n"})


async def _reply(send: Send, status: int, body: bytes) -> None:
    headers = [*JSON, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _count(usage: dict[str, int]) -> None:
    used["in"] += usage["prompt_tokens"]
    used["out"] += usage["completion_tokens"]
