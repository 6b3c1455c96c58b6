"""Calls to upstreams: one pooled HTTP client; every failure becomes one of our classes."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson
from aiohttp.payload import BytesPayload

from alpha.gateway.config import GatewayConfig
from alpha.gateway.errors import Failure, UpstreamFailed
from alpha.routing import DeploymentEntry

CONTEXT_CODES = frozenset({"context_length_exceeded", "exceed_context_size_error"})
# Servers say "no such model" with the status of "no such endpoint".
NO_MODEL_CODES = frozenset({"model_not_found", "NotFoundError", "DeploymentNotFound"})
EVERY_SERVER_HAS = "chat/completions"
ERROR_LIMIT_BYTES = 64 * 1024
WORDS_LIMIT = 2000
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)
DONE = b"[DONE]"


class Upstreams:
    """The worker's client of all upstreams."""

    def __init__(self, config: GatewayConfig) -> None:
        self._config = config
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=60, keepalive_timeout=30),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(
                total=self._config.whole_call_s,
                sock_connect=self._config.connect_s,
                sock_read=self._config.silence_s,
            ),
            headers={"user-agent": "slipway", "accept-encoding": "identity"},
            trust_env=False,
            read_bufsize=2**18,
        )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def complete(self, to: DeploymentEntry, path: str, body: Mapping[str, Any]) -> Any:
        """The upstream's JSON reply; UpstreamFailed."""
        async with self._answered(to, path, body) as response:
            raw = await self._read(response, self._config.reply_limit_bytes)
        try:
            return orjson.loads(raw)
        except orjson.JSONDecodeError:
            raise UpstreamFailed(Failure.MALFORMED, "the reply is not JSON") from None

    @asynccontextmanager
    async def streamed(
        self, to: DeploymentEntry, path: str, body: Mapping[str, Any]
    ) -> AsyncIterator[AsyncIterator[list[bytes]]]:
        """The payloads of the upstream's events, as many at once as arrived; UpstreamFailed.

        Leaving the block early closes the connection, which tells the upstream to stop.
        """
        async with self._answered(to, path, body) as response:
            if "text/event-stream" not in response.headers.get("content-type", ""):
                raise UpstreamFailed(Failure.MALFORMED, "the reply is no event stream")
            yield self._payloads(response)

    @asynccontextmanager
    async def _answered(
        self, to: DeploymentEntry, path: str, body: Mapping[str, Any]
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        response = await self._post(to, path, orjson.dumps(body))
        try:
            if response.status != 200:
                raise await self._refused(response, path)
            yield response
        finally:
            # A response that was read whole has given its connection back already.
            response.close()

    async def _post(self, to: DeploymentEntry, path: str, body: bytes) -> aiohttp.ClientResponse:
        if self._session is None:
            raise RuntimeError("the client of the upstreams is not open")
        headers = {"content-type": "application/json"}
        if to.secret:
            headers["authorization"] = f"Bearer {to.secret}"
        url = f"{to.base_url.rstrip('/')}/{path}"
        for attempt in (1, 2):
            try:
                return await self._session.post(
                    url, data=BytesPayload(body), headers=headers, allow_redirects=False
                )
            except (aiohttp.ServerDisconnectedError, ConnectionResetError) as error:
                # A kept connection that the upstream had closed meanwhile: nothing was answered.
                if attempt == 2:
                    raise UpstreamFailed(
                        Failure.UNREACHABLE, type(error).__name__, elsewhere=True
                    ) from error
            except (aiohttp.ClientError, OSError) as error:
                # One that took the request and is silent may be working on it.
                silent = isinstance(error, TimeoutError)
                unconnected = isinstance(error, aiohttp.ConnectionTimeoutError)
                raise _transport(error, elsewhere=unconnected or not silent) from error
        raise AssertionError("the second attempt returns or raises")

    async def _refused(self, response: aiohttp.ClientResponse, path: str) -> UpstreamFailed:
        raw = await self._read(response, ERROR_LIMIT_BYTES)
        code, words = _error_of(raw)
        problem = f"upstream answered {response.status}{f' ({code})' if code else ''}"
        if path != EVERY_SERVER_HAS and _is_missing(response.status, code):
            return UpstreamFailed(Failure.UNSUPPORTED, problem, words=words)
        return UpstreamFailed(
            _class_of(response.status, code), problem, words=words, elsewhere=response.status >= 500
        )

    async def _read(self, response: aiohttp.ClientResponse, limit: int) -> bytes:
        parts, size = [], 0
        try:
            async for part in response.content.iter_any():
                size += len(part)
                if size > limit:
                    raise UpstreamFailed(Failure.MALFORMED, f"the reply is over {limit} bytes")
                parts.append(part)
        except (aiohttp.ClientError, OSError) as error:
            raise _transport(error) from error
        return b"".join(parts)

    async def _payloads(self, response: aiohttp.ClientResponse) -> AsyncIterator[list[bytes]]:
        rest = b""
        try:
            async for part in response.content.iter_any():
                *lines, rest = (rest + part).split(b"\n")
                if len(rest) > self._config.reply_limit_bytes:
                    raise UpstreamFailed(Failure.MALFORMED, "an event has no end")
                payloads = [line[5:].strip() for line in lines if line.startswith(b"data:")]
                if payloads:
                    yield payloads
        except (aiohttp.ClientError, OSError) as error:
            raise _transport(error, started=True) from error


def _transport(
    error: Exception, *, started: bool = False, elsewhere: bool = False
) -> UpstreamFailed:
    # The text of such an error is the client library's: host and port, never the prompt.
    problem = f"{type(error).__name__}: {error}"[:WORDS_LIMIT]
    if isinstance(error, TimeoutError):
        return UpstreamFailed(Failure.TIMED_OUT, problem, elsewhere=elsewhere)
    failure = Failure.CUT_OFF if started else Failure.UNREACHABLE
    return UpstreamFailed(failure, problem, elsewhere=elsewhere)


def _is_missing(status: int, code: str) -> bool:
    """Whether a server says that it has no such endpoint."""
    return status in (405, 501) or (status == 404 and code not in NO_MODEL_CODES)


def _class_of(status: int, code: str) -> Failure:
    if code in CONTEXT_CODES:
        return Failure.CONTEXT_TOO_LONG
    if status in (400, 413, 415, 422):
        return Failure.REFUSED_INPUT
    if status in (408, 504):
        return Failure.TIMED_OUT
    if status in (429, 503):
        return Failure.OVERLOADED
    return Failure.BROKEN if status >= 500 else Failure.MISCONFIGURED


def _error_of(raw: bytes) -> tuple[str, str]:
    """The code and the words of an upstream's error body, both "" when they can't be told."""
    words = raw.decode("utf-8", "replace").replace("\0", "")[:WORDS_LIMIT]
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return "", words
    return code_in(body), words


def code_in(body: Any) -> str:
    """The machine word of an error body: its code, else its type; "" when it has none."""
    error = body.get("error") if isinstance(body, dict) else None
    holder = error if isinstance(error, dict) else body
    for name in ("code", "type"):
        value = holder.get(name) if isinstance(holder, dict) else None
        if isinstance(value, str) and _CODE.fullmatch(value):
            return value
    return ""
