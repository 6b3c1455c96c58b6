"""A fast OpenAI-compatible upstream in a process of its own: a bare protocol on uvloop.

It repeats the last message, late by a fixed time, with faults that depend on the message alone:
the same calls get the same answers. `python -m tests.evals.fast_upstream --help` names them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import subprocess
import sys
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast
from urllib.request import urlopen

import orjson
import psutil
import uvloop

ROOT = Path(__file__).resolve().parents[2]
DEAD = "dead-"
"""A message that begins so is answered 500 for ever."""


class State:
    """What the server was told, and what it has seen."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.asked: Counter[bytes] = Counter()
        self.n_calls = self.n_refused = self.at_once = self.most_at_once = 0
        self.answered: list[float] = []
        self.refused: list[float] = []
        self._quota_of, self._n_of_quota = 0, 0

    def status_of(self, key: bytes, n_asked: int) -> int:
        """200, an injected 429 or 500, or 0 for a malformed body."""
        if n_asked > 1:
            return 200
        place = zlib.crc32(key) % 1000
        if place < self.options.errors_per_mille:
            return 429 if place % 2 else 500
        if place < self.options.errors_per_mille + self.options.malformed_per_mille:
            return 0
        return 200

    def refusal(self) -> float | None:
        """Seconds to wait where there are too many calls, at once or of this window."""
        options = self.options
        if options.limit and self.at_once >= options.limit:
            return float(options.retry_after)
        if not options.quota:
            return None
        now = time.time()
        window = int(now // options.quota_s)
        if window != self._quota_of:
            self._quota_of, self._n_of_quota = window, 0
        self._n_of_quota += 1
        if self._n_of_quota <= options.quota:
            return None
        # Whole seconds, as providers say it.
        return float(math.ceil((window + 1) * options.quota_s - now))

    def facts(self) -> dict[str, Any]:
        repeated = sum(n - 1 for n in self.asked.values())
        return {
            "n_calls": self.n_calls,
            "n_refused": self.n_refused,
            "n_repeated": repeated,
            "at_once": self.at_once,
            "most_at_once": self.most_at_once,
            "answered_at": self.answered,
            "refused_at": self.refused,
        }


def _answer(text: str) -> bytes:
    content = orjson.dumps(text)
    return (
        b'{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"upstream","choices":'
        b'[{"index":0,"message":{"role":"assistant","content":' + content + b'},"finish_reason":'
        b'"stop"}],"usage":{"prompt_tokens":20,"completion_tokens":4,"total_tokens":24}}'
    )


def _http(status: int, body: bytes, headers: bytes = b"") -> bytes:
    return b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n%s" % (
        status,
        headers,
        len(body),
        body,
    )


class Protocol(asyncio.Protocol):
    """One connection, one request after the other."""

    def __init__(self, state: State, loop: asyncio.AbstractEventLoop) -> None:
        self._state, self._loop, self._buffer = state, loop, b""
        self._transport: asyncio.Transport | None = None
        self._waits = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self._waits:
            self._state.at_once -= 1
        self._transport = None

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._buffer[:end].lower()
        at = head.find(b"content-length:")
        size = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(self._buffer) < end + 4 + size:
            return
        body, self._buffer = self._buffer[end + 4 : end + 4 + size], b""
        if head.startswith(b"get"):
            self._send(_http(200, orjson.dumps(self._state.facts())))
        else:
            self._called(body)

    def _called(self, body: bytes) -> None:
        state, options = self._state, self._state.options
        state.n_calls += 1
        wait_s = state.refusal()
        if wait_s is not None:
            state.n_refused += 1
            if options.log_times:
                state.refused.append(time.time())
            wait = b"Retry-After: %s\r\n" % f"{wait_s:g}".encode() if wait_s else b""
            self._send(_http(429, b'{"error":{"message":"too many"}}', wait))
            return
        state.at_once += 1
        state.most_at_once = max(state.most_at_once, state.at_once)
        self._waits = True
        if options.latency_ms:
            self._loop.call_later(options.latency_ms / 1000, self._answer, body)
        else:
            self._answer(body)

    def _answer(self, body: bytes) -> None:
        if self._transport is None:
            return
        state = self._state
        state.at_once -= 1
        self._waits = False
        asked = orjson.loads(body)
        text = asked["messages"][-1]["content"]
        key = f"{text}#{asked.get('seed')}".encode()
        state.asked[key] += 1
        if state.options.log_times:
            state.answered.append(time.time())
        self._send(self._whole(text, state.status_of(key, state.asked[key])))

    def _whole(self, text: str, status: int) -> bytes:
        if text.startswith(DEAD):
            return _http(500, b'{"error":{"message":"dead"}}')
        if status == 0:
            return _http(200, b'{"choices": [{"mess')
        if status != 200:
            wait = b"Retry-After: %s\r\n" % str(self._state.options.retry_after).encode()
            return _http(status, b'{"error":{"message":"injected"}}', wait)
        return _http(200, _answer(text))

    def _send(self, reply: bytes) -> None:
        if self._transport is not None:
            self._transport.write(reply)


async def _serve(options: argparse.Namespace) -> None:
    loop, state = asyncio.get_running_loop(), State(options)
    server = await loop.create_server(
        lambda: Protocol(state, loop), "127.0.0.1", options.port, backlog=2048
    )
    port = server.sockets[0].getsockname()[1]
    sys.stdout.write(f"http://127.0.0.1:{port}/v1\n")
    sys.stdout.flush()
    await server.serve_forever()


class FastUpstream:
    """The running server."""

    def __init__(self, process: subprocess.Popen[str], base_url: str) -> None:
        self.process, self.base_url = process, base_url

    def facts(self) -> dict[str, Any]:
        """What it has seen: calls, refusals, repeated questions, the most at once."""
        with urlopen(self.base_url, timeout=10) as answer:  # noqa: S310  our own server
            return dict(json.load(answer))

    def cpu_s(self) -> float:
        """CPU seconds it has used."""
        return sum(psutil.Process(self.process.pid).cpu_times()[:2])


@contextmanager
def serving(*options: str) -> Iterator[FastUpstream]:
    """The server in a process of its own, ended with the block."""
    command = [sys.executable, "-m", "tests.evals.fast_upstream", *options]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield FastUpstream(process, process.stdout.readline().strip())
    finally:
        process.kill()
        process.wait()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency-ms", type=float, default=0.0)
    parser.add_argument("--errors-per-mille", type=int, default=0, help="first calls: 429 or 500")
    parser.add_argument("--malformed-per-mille", type=int, default=0, help="first calls")
    parser.add_argument("--limit", type=int, default=0, help="calls at once; more are 429")
    parser.add_argument("--retry-after", type=float, default=0.05, help="seconds, on refusals")
    parser.add_argument("--quota", type=int, default=0, help="calls a window; more are 429")
    parser.add_argument("--quota-s", type=float, default=1.0, help="seconds of a window")
    parser.add_argument("--log-times", action="store_true", help="keep when each was answered")
    uvloop.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
