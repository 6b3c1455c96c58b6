"""A small upstream that really listens: it lists models and answers one token."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Upstream:
    """What it serves can be changed while it runs; `seen` holds every request's path, key, body."""

    def __init__(self) -> None:
        self.models = ["smollm2-135m-instruct"]
        self.text = "Blue"
        self.secret = ""
        self.raw: bytes | None = None
        self.seen: list[tuple[str, str, Any]] = []
        self.base_url = ""

    def answer(self, path: str, key: str, body: Any) -> tuple[int, bytes]:
        self.seen.append((path, key, body))
        if self.secret and key != f"Bearer {self.secret}":
            return 401, b'{"error": {"message": "wrong key"}}'
        if self.raw is not None:
            return 200, self.raw
        if path == "/v1/models":
            return 200, json.dumps({"data": [{"id": name} for name in self.models]}).encode()
        return 200, json.dumps(
            {
                "model": body["model"],
                "system_fingerprint": "b1-cafe",
                "choices": [{"message": {"content": self.text}, "finish_reason": "length"}],
                "usage": {"prompt_tokens": 4, "completion_tokens": 1},
            }
        ).encode()


@contextmanager
def running(upstream: Upstream | None = None) -> Iterator[Upstream]:
    """An upstream on a free loopback port."""
    upstream = upstream or Upstream()

    class Handler(BaseHTTPRequestHandler):
        def reply(self, body: Any) -> None:
            key = self.headers.get("Authorization", "")
            status, content = upstream.answer(self.path, key, body)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_GET(self) -> None:
            self.reply(None)

        def do_POST(self) -> None:
            self.reply(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def log_message(self, *args: Any) -> None:
            """Nothing on the terminal."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    upstream.base_url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield upstream
    finally:
        server.shutdown()
        server.server_close()
