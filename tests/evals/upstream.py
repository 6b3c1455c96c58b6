"""A small OpenAI-compatible upstream over real HTTP, with a memory and faults on demand."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the server sends back."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    delay_s: float = 0.0


def completion(text: str | None, finish_reason: str = "stop", **message: Any) -> Reply:
    """A whole chat completion with that text."""
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "upstream",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text, **message},
                "finish_reason": finish_reason,
            }
        ],
        "usage": {"prompt_tokens": 20, "completion_tokens": 4, "total_tokens": 24},
    }
    return Reply(body=json.dumps(body).encode(), headers={"Content-Type": "application/json"})


def failure(status: int, **headers: str) -> Reply:
    """An error as providers send it."""
    body = json.dumps({"error": {"message": f"told to answer {status}"}}).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status=status, headers={"Content-Type": "application/json", **named}, body=body)


Rule = Callable[[str, int], Reply | None]


class Upstream:
    """Repeats the last message; `rules` see (message, how often it was asked) and may answer."""

    def __init__(self, delay_s: float = 0.0) -> None:
        self.delay_s = delay_s
        self.rules: list[Rule] = []
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.asked: Counter[str] = Counter()
        self.most_at_once = 0
        self._at_once = 0
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> Upstream:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def n_calls(self) -> int:
        return len(self.bodies)

    def answer(self, body: dict[str, Any]) -> Reply:
        text = str(body["messages"][-1]["content"])
        key = f"{text}#{body.get('seed')}"
        with self._lock:
            self.bodies.append(body)
            self.asked[key] += 1
            n_asked = self.asked[key]
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            reply = next((r for rule in self.rules if (r := rule(text, n_asked))), None)
            reply = reply or completion(text)
            time.sleep(reply.delay_s or self.delay_s)
            return reply
        finally:
            with self._lock:
                self._at_once -= 1

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                upstream.headers.append({k.lower(): v for k, v in self.headers.items()})
                length = int(self.headers["Content-Length"])
                reply = upstream.answer(json.loads(self.rfile.read(length)))
                try:
                    self.send_response(reply.status)
                    for name, value in reply.headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(reply.body)))
                    self.end_headers()
                    self.wfile.write(reply.body)
                except (BrokenPipeError, ConnectionResetError):
                    # The caller was killed while it waited.
                    self.close_connection = True

            def log_message(self, format: str, *args: object) -> None:
                """Silent."""

        return Handler
