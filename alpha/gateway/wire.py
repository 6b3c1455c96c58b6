"""One HTTP exchange over ASGI: what the client sent, and what it is sent back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from uuid import UUID

import orjson

from alpha.gateway.errors import ClientGone, Refusal
from infra.ids import uuid7

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = tuple[tuple[bytes, bytes], ...]

JSON = (b"content-type", b"application/json")
EVENT_STREAM: Headers = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    # Asks nginx in front not to hold chunks back.
    (b"x-accel-buffering", b"no"),
)
# A client that leaves is seen this much later at most.
WATCH_AFTER_S = 0.05


class Call:
    """A request being answered; every answer carries its own request id."""

    __slots__ = (
        "_early_end",
        "_receive",
        "_send",
        "_watcher",
        "_working",
        "headers",
        "is_started",
        "lifetime",
        "look_up_rates",
        "rates",
        "request_id",
        "scope",
    )

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope, self._receive, self._send = scope, receive, send
        self.request_id: UUID = uuid7()
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        # `x-ratelimit-*`, known once limits were asked; else looked up, once the key is known.
        self.rates: Headers = ()
        self.look_up_rates: Callable[[], Awaitable[Headers]] | None = None
        # `deprecation` and `sunset`, known once the codename is and its end is near.
        self.lifetime: Headers = ()
        self.is_started = False
        # The task inside `ending_early`, and what it is to be ended by.
        self._working: asyncio.Task[Any] | None = None
        self._early_end: Exception | None = None
        self._watcher: asyncio.Task[None] | None = None

    @property
    def address(self) -> str:
        """The client's address, as the server knows it."""
        client = self.scope.get("client")
        return client[0] if client else ""

    def header(self, name: bytes) -> str:
        """The header's text, "" when absent."""
        return self.headers.get(name, b"").decode("latin-1")

    async def json_object(self, limit_bytes: int, patience_s: float) -> dict[str, Any]:
        """The body as a JSON object; Refusal 400, 408, 413."""
        return _object_in(await self._patient_body(limit_bytes, patience_s))

    async def json_object_or_none(
        self, limit_bytes: int, patience_s: float
    ) -> dict[str, Any] | None:
        """As `json_object`, None for an empty body."""
        body = await self._patient_body(limit_bytes, patience_s)
        return _object_in(body) if body.strip() else None

    async def _patient_body(self, limit_bytes: int, patience_s: float) -> bytes:
        with EndingEarly(self, patience_s, self._lose_patience):
            return await self._body(limit_bytes)

    def _lose_patience(self) -> None:
        self.end_early(Refusal(408, "request_timeout", "The request body took too long."))

    async def _body(self, limit_bytes: int) -> bytes:
        announced = self.header(b"content-length")
        if announced.isascii() and announced.isdigit() and int(announced) > limit_bytes:
            raise _too_large(limit_bytes)
        parts, size = [], 0
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            part = message.get("body", b"")
            size += len(part)
            if size > limit_bytes:
                raise _too_large(limit_bytes)
            parts.append(part)
            if not message.get("more_body", False):
                return parts[0] if len(parts) == 1 else b"".join(parts)

    async def start(self, status: int, headers: Headers) -> None:
        """Send status and headers: the request id, rates, lifetime, `headers`; no others."""
        if not self.rates and self.look_up_rates is not None:
            self.rates = await self.look_up_rates()
        self.is_started = True
        own = (b"x-request-id", str(self.request_id).encode())
        await self._send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [own, *self.rates, *self.lifetime, *headers],
            }
        )

    async def write(self, body: bytes, *, more: bool) -> None:
        """Send a piece of the body at once."""
        await self._send({"type": "http.response.body", "body": body, "more_body": more})

    async def reply(self, status: int, body: bytes, headers: Headers = ()) -> None:
        """Send a whole JSON answer."""
        length = (b"content-length", str(len(body)).encode())
        await self.start(status, (JSON, length, *headers))
        await self.write(body, more=False)

    async def refuse(self, refusal: Refusal) -> None:
        """Send a whole error."""
        headers, self.rates = refusal.headers, refusal.rates or self.rates
        if refusal.retry_after is not None:
            headers = (*headers, (b"retry-after", str(refusal.retry_after).encode()))
        await self.reply(refusal.status, refusal.body(), headers)

    async def _left(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass

    def end_early(self, error: Exception) -> None:
        """Stop the work inside `ending_early`, which then raises `error`; the first one counts."""
        if self._working is not None and self._early_end is None:
            self._early_end = error
            self._working.cancel()

    def ending_early(self) -> EndingEarly:
        """Inside the block, the client's leaving stops the work at once: ClientGone.

        So does `end_early`, with its own error.
        """
        # Most of what is over sooner needs nobody to watch its client.
        return EndingEarly(self, WATCH_AFTER_S, self._watch)

    def begin_work(self) -> None:
        """The current task is what `end_early` stops from now on."""
        self._working = asyncio.current_task()

    def end_work(self, cancelled: bool) -> Exception | None:
        """Nothing stops it any more; returns what it was stopped by, where it was."""
        task, self._working = self._working, None
        if self._watcher is not None:
            self._watcher.cancel()
        if not cancelled or self._early_end is None or task is None:
            return None
        task.uncancel()
        return self._early_end

    def _watch(self) -> None:
        self._watcher = asyncio.create_task(self._left())
        self._watcher.add_done_callback(self._client_left)

    def _client_left(self, watcher: asyncio.Task[None]) -> None:
        if not watcher.cancelled() and watcher.exception() is None:
            self.end_early(ClientGone())


class EndingEarly:
    """A block of a call that `Call.end_early` stops; `then` is called if it takes `after_s`.

    asyncio's own time-outs cost as much as the reading of a call's body.
    """

    __slots__ = ("_after_s", "_call", "_then", "_timer")

    def __init__(self, call: Call, after_s: float, then: Callable[[], None]) -> None:
        self._call, self._after_s, self._then = call, after_s, then

    def __enter__(self) -> None:
        self._call.begin_work()
        self._timer = asyncio.get_running_loop().call_later(self._after_s, self._then)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        self._timer.cancel()
        ended_by = self._call.end_work(kind is asyncio.CancelledError)
        if ended_by is not None:
            raise ended_by from None


def _object_in(body: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Refusal(
            400,
            "invalid_json",
            f"The body is not valid JSON (line {error.lineno}, column {error.colno}).",
        ) from None
    if not isinstance(value, dict):
        raise Refusal(400, "invalid_type", "The body must be a JSON object.")
    return value


def _too_large(limit_bytes: int) -> Refusal:
    return Refusal(
        413, "request_too_large", f"The body is larger than {limit_bytes:,} bytes: shorten it."
    )
