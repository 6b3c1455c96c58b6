"""Refuses bodies that are too large before Django keeps them: it writes whole ones to the disk."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

# A form with the largest files that any page takes, its other fields and the parts' heads.
MOST_BYTES = 40 * 2**20


class _TooLarge(Exception):
    """The body passed the limit while it was read."""


def with_body_limit(application: Application, most_bytes: int = MOST_BYTES) -> Application:
    """ASGI: answers 413 to a request whose body is, or turns out to be, larger."""

    async def limited(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await application(scope, receive, send)
            return
        if _announced(scope) > most_bytes:
            await _refuse(scope, send, most_bytes)
            return
        n_read, has_begun = 0, False

        async def counted() -> Message:
            nonlocal n_read
            message = await receive()
            n_read += len(message.get("body", b""))
            if n_read > most_bytes:
                raise _TooLarge
            return message

        async def noted(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await application(scope, counted, noted)
        except _TooLarge:
            if not has_begun:
                await _refuse(scope, send, most_bytes)

    return limited


def _announced(scope: Message) -> int:
    """What the client says the body has; 0 when it does not say, or no number."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0


async def _refuse(scope: Message, send: Send, most_bytes: int) -> None:
    message = (
        f"The body is larger than {most_bytes // 2**20} MiB: send it in parts, or read the file "
        "where Slipway runs with `manage.py`."
    )
    is_api = scope["path"].startswith("/api/")
    told = json.dumps({"code": "too_large", "message": message, "reasons": []})
    body = (told if is_api else message).encode()
    headers = [
        (b"content-type", b"application/json" if is_api else b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        # What is left of the body is not read: the connection can serve nothing else.
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": body})
