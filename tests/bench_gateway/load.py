"""Load and its cost: `wrk` for many connections, a plain socket for the moment of each chunk."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

SCRIPT = """
wrk.method = "POST"
wrk.body = [==[%(body)s]==]
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer %(key)s"
done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format("BENCH {\\"n\\": %%d, \\"us\\": %%d, \\"bad\\": %%d, ",
    summary.requests, summary.duration,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
  io.write(string.format("\\"p50\\": %%.1f, \\"p99\\": %%.1f}\\n",
    latency:percentile(50), latency:percentile(99)))
end
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Something that answers chat completions; `processes` are what its CPU is counted of."""

    url: str
    key: str
    processes: Sequence[psutil.Process] = ()

    def cpu_s(self) -> float:
        """CPU seconds used so far, by the operating system."""
        return sum(sum(process.cpu_times()[:2]) for process in self.processes)

    def rss_mb(self) -> list[float]:
        """Resident memory of each process."""
        return [process.memory_info().rss / 2**20 for process in self.processes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What one run of wrk came to."""

    n: int
    per_second: float
    cpu_ms: float
    """Of the target's processes, a request."""
    p50_ms: float
    p99_ms: float


def chat(codename: str, *, stream: bool = False) -> dict[str, Any]:
    """The body of every call."""
    messages = [
        {"role": "system", "content": "You answer in a few words, and never at length. " * 4},
        {"role": "user", "content": "Say hello to me"},
    ]
    body = {"model": codename, "messages": messages, "max_tokens": 64, "temperature": 0.5}
    return {**body, "stream": True} if stream else body


def load(
    target: Target, body: dict[str, Any], folder: Path, *, connections: int, for_s: float
) -> Loaded:
    """Run wrk with one thread; every answer must be 200."""
    script = folder / "load.lua"
    script.write_text(SCRIPT % {"body": json.dumps(body), "key": target.key}, encoding="utf-8")
    options = ("-t1", f"-c{connections}", f"-d{for_s:g}s", "--timeout", "20s", "-s", str(script))
    before = target.cpu_s()
    done = subprocess.run(
        ["wrk", *options, f"{target.url}/chat/completions"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    cpu_s = target.cpu_s() - before
    told = json.loads(done.stdout.split("BENCH ")[1])
    assert not told["bad"], f"{told['bad']} of {told['n']} calls failed:\n{done.stdout}"
    return Loaded(
        n=told["n"],
        per_second=told["n"] / told["us"] * 1e6,
        cpu_ms=1000 * cpu_s / max(1, told["n"]),
        p50_ms=told["p50"] / 1000,
        p99_ms=told["p99"] / 1000,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Streamed:
    """When one stream's pieces came, in milliseconds from the last byte of the request."""

    first_ms: float
    reads: Sequence[tuple[float, int]]
    """Each read that held events: when, and how many."""


class Line:
    """One kept connection, read as the bytes arrive."""

    def __init__(self, target: Target) -> None:
        parts = urlsplit(target.url)
        self._path, self._key = f"{parts.path}/chat/completions", target.key
        self._socket = socket.create_connection((parts.hostname or "", parts.port or 80), 20)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self) -> None:
        self._socket.close()

    def stream(self, body: dict[str, Any]) -> Streamed:
        """One streamed call to its end."""
        sent = json.dumps(body).encode()
        head = (
            f"POST {self._path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {self._key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(sent)}\r\n\r\n"
        )
        self._socket.sendall(head.encode() + sent)
        began, tail, reads = time.perf_counter(), b"", []
        while not tail.endswith(b"\r\n0\r\n\r\n"):
            data = self._socket.recv(2**18)
            at = 1000 * (time.perf_counter() - began)
            assert data, f"the connection ended after {tail!r}"
            assert not data.startswith(b"HTTP/1.1 4"), data
            if n_events := data.count(b"data: {"):
                reads.append((at, n_events))
            tail = (tail + data)[-2000:]
        assert b"[DONE]" in tail, tail
        return Streamed(first_ms=reads[0][0], reads=reads)
