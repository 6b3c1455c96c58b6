"""The upstream: nginx with fixed answers, so that it is never what is measured."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from infra.embedded.processes import wait_until

N_CHUNKS = 50
N_PACED = 20
PACE_S = 0.01
ECHO = Path("/usr/lib/nginx/modules/ngx_http_echo_module.so")
INSTALL = "apt-get install -y wrk nginx-light libnginx-mod-http-echo"
HEAD = {"id": "chatcmpl-1", "created": 1, "model": "upstream", "system_fingerprint": "fp_1"}
USAGE = {"prompt_tokens": 12, "completion_tokens": 48, "total_tokens": 60}
CONFIGURATION = """
load_module %(echo)s;
daemon off;
worker_processes 1;
error_log stderr warn;
pid %(folder)s/nginx.pid;
events { worker_connections 1024; }
http {
  access_log off;
  tcp_nodelay on;
  keepalive_requests 1000000000;
  keepalive_timeout 600s;
  client_body_buffer_size 64k;
  client_body_temp_path %(folder)s/body;
  proxy_temp_path %(folder)s/proxy;
  fastcgi_temp_path %(folder)s/fastcgi;
  uwsgi_temp_path %(folder)s/uwsgi;
  scgi_temp_path %(folder)s/scgi;
  server {
    listen 127.0.0.1:%(port)d backlog=2048;
    location = /json/v1/chat/completions {
      default_type application/json;
      return 200 '%(whole)s';
    }
    location = /stream/v1/chat/completions {
      default_type text/event-stream;
      %(stream)s
    }
    location = /paced/v1/chat/completions {
      default_type text/event-stream;
      %(paced)s
    }
  }
}
"""


def missing() -> list[str]:
    """The programs that are not installed."""
    found = {"wrk": shutil.which("wrk"), "nginx": shutil.which("nginx")}
    absent = [name for name, path in found.items() if path is None]
    return absent if ECHO.exists() else [*absent, "nginx's echo module"]


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """nginx in `folder`; yields its base: `/json/v1`, `/stream/v1` and `/paced/v1` answer there."""
    folder.mkdir()
    folder.chmod(0o777)
    port = free_port()
    path = folder / "nginx.conf"
    path.write_text(
        CONFIGURATION
        % {
            "echo": ECHO,
            "folder": folder,
            "port": port,
            "whole": json.dumps(_whole()),
            "stream": _events(N_CHUNKS, 0),
            "paced": _events(N_PACED, PACE_S),
        },
        encoding="utf-8",
    )
    process = subprocess.Popen(["nginx", "-c", str(path)])
    try:
        assert wait_until(lambda: is_open(port), timeout_s=10), "nginx did not start"
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _whole() -> dict[str, Any]:
    message = {"role": "assistant", "content": "word " * 48}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {**HEAD, "object": "chat.completion", "choices": [choice], "usage": USAGE}


def _events(n_chunks: int, pace_s: float) -> str:
    """nginx's words for that many chunks, usage and the end; each chunk is flushed by itself."""
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": f" word{number}"} for number in range(n_chunks - 2)]
    chunks = [_chunk({"index": 0, "delta": delta, "finish_reason": None}) for delta in deltas]
    chunks.append(_chunk({"index": 0, "delta": {}, "finish_reason": "stop"}))
    wait = f" echo_sleep {pace_s};" if pace_s else ""
    words = [f"echo 'data: {json.dumps(chunk)}\\n'; echo_flush;{wait}" for chunk in chunks]
    words.append(f"echo 'data: {json.dumps({**_chunk(), 'usage': USAGE})}\\n'; echo_flush;")
    return "\n".join([*words, "echo 'data: [DONE]\\n';"])


def _chunk(*choices: dict[str, Any]) -> dict[str, Any]:
    return {**HEAD, "object": "chat.completion.chunk", "choices": list(choices)}
