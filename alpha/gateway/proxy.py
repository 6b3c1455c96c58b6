"""Calls to upstreams: one pooled HTTP client; every failure becomes one of our classes."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any

import orjson

from alpha.gateway.config import GatewayConfig
from alpha.gateway.errors import Failure, UpstreamFailed
from alpha.gateway.exchange import Disconnected, Response, TooLong
from alpha.gateway.pool import ConnectTimeout, Pool, Target, target_of
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
        self.pool = Pool(
            connect_s=config.connect_s,
            silence_s=config.silence_s,
            whole_call_s=config.whole_call_s,
        )

    def open(self) -> None:
        self.pool.open()

    async def close(self) -> None:
        await self.pool.close()

    async def complete(self, to: DeploymentEntry, path: str, body: Mapping[str, Any]) -> Any:
        """The upstream's JSON reply; UpstreamFailed."""
        response = await self._post(to, path, body)
        try:
            if response.status != 200:
                raise await self._refused(response, path)
            raw = await self._read(response, self._config.reply_limit_bytes)
        finally:
            response.close()
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
        response = await self._post(to, path, body)
        try:
            if response.status != 200:
                raise await self._refused(response, path)
            if "text/event-stream" not in response.header(b"content-type"):
                raise UpstreamFailed(Failure.MALFORMED, "the reply is no event stream")
            yield self._payloads(response)
        finally:
            response.close()

    async def _post(self, to: DeploymentEntry, path: str, body: Mapping[str, Any]) -> Response:
        try:
            return await self.pool.post(_target(to.base_url, path, to.secret), orjson.dumps(body))
        except Disconnected as error:
            raise UpstreamFailed(Failure.UNREACHABLE, str(error), elsewhere=True) from error
        except ValueError as error:
            raise UpstreamFailed(Failure.MISCONFIGURED, str(error), elsewhere=True) from error
        except OSError as error:
            # One that took the request and is silent may be working on it.
            silent = isinstance(error, TimeoutError) and not isinstance(error, ConnectTimeout)
            raise _transport(error, elsewhere=not silent) from error

    async def _refused(self, response: Response, path: str) -> UpstreamFailed:
        raw = await self._read(response, ERROR_LIMIT_BYTES)
        code, words = _error_of(raw)
        problem = f"upstream answered {response.status}{f' ({code})' if code else ''}"
        if path != EVERY_SERVER_HAS and _is_missing(response.status, code):
            return UpstreamFailed(Failure.UNSUPPORTED, problem, words=words)
        return UpstreamFailed(
            _class_of(response.status, code), problem, words=words, elsewhere=response.status >= 500
        )

    async def _read(self, response: Response, limit: int) -> bytes:
        try:
            return await response.read(limit)
        except TooLong:
            raise UpstreamFailed(Failure.MALFORMED, f"the reply is over {limit} bytes") from None
        except OSError as error:
            raise _transport(error) from error

    async def _payloads(self, response: Response) -> AsyncIterator[list[bytes]]:
        rest = b""
        try:
            async for part in response.parts():
                *lines, rest = (rest + part).split(b"\n")
                if len(rest) > self._config.reply_limit_bytes:
                    raise UpstreamFailed(Failure.MALFORMED, "an event has no end")
                payloads = [line[5:].strip() for line in lines if line.startswith(b"data:")]
                if payloads:
                    yield payloads
        except OSError as error:
            raise _transport(error, started=True) from error


@lru_cache(maxsize=1024)
def _target(base_url: str, path: str, secret: str) -> Target:
    return target_of(f"{base_url.rstrip('/')}/{path}", secret)


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
