"""Chat completions through aiohttp and orjson: a fifth of the SDK's own work for each call."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

import aiohttp
import orjson
from yarl import URL

from infra.inference import answers, retries
from infra.inference.contract import CallFailed, Completion, Pace, RetryPolicy, connect_s

# Chat completions hold a connection for seconds; idle ones are kept for the next call.
KEEPALIVE_S = 30.0
UNSENT_HEADERS = ("User-Agent", "Accept-Encoding")


class FastClient:
    """Chat completions of one upstream; the session opens with the first call, on its loop."""

    def __init__(
        self,
        *,
        base_url: str,
        secret: str = "",
        timeout_s: float = 120.0,
        retry: RetryPolicy | None = None,
        pace: Pace | None = None,
    ) -> None:
        self._retry, self._pace = retry or RetryPolicy(), pace or retries.NoPace()
        self._url = URL(base_url.rstrip("/") + "/chat/completions")
        self._headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if secret:
            self._headers["Authorization"] = f"Bearer {secret}"
        self._timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=connect_s(timeout_s))
        self._session: aiohttp.ClientSession | None = None

    async def complete(self, body: Mapping[str, Any]) -> Completion:
        """The answer; CompletionFailed when the policy's calls are spent or the error is final."""
        return await retries.complete(partial(self._call, _encoded(body)), self._retry, self._pace)

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()

    async def _call(self, content: bytes, n_calls: int) -> Completion:
        began = time.monotonic()
        session = self._session or self._open()
        try:
            async with session.post(self._url, data=content) as answer:
                received = await answer.read()
        except aiohttp.ConnectionTimeoutError as error:
            raise answers.unreachable(error) from error
        except TimeoutError as error:
            raise answers.timed_out() from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _broken(error) from error
        if not 200 <= answer.status < 300:
            raise answers.refused(answer.status, answer.headers, received)
        return answers.completion(received, (time.monotonic() - began) * 1000, n_calls)

    def _open(self) -> aiohttp.ClientSession:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=self._headers,
            skip_auto_headers=UNSENT_HEADERS,
            timeout=self._timeout,
        )
        return self._session


def _broken(error: Exception) -> CallFailed:
    return answers.unreachable(error.__cause__ if not str(error) and error.__cause__ else error)


def _encoded(body: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(body)
    except TypeError:
        # Integers beyond 64 bits and halves of surrogate pairs, which JSON allows.
        return json.dumps(body).encode()
