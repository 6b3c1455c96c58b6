"""A mail server that keeps what it took, and refuses what it is told to refuse."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import Message


class Post(socketserver.ThreadingTCPServer):
    """SMTP as far as `smtplib` speaks it; `refusals`: how many of the next mails it refuses."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Talk)
        self.taken: list[Message] = []
        self.refusals = 0
        self.lock = threading.Lock()

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _Talk(socketserver.StreamRequestHandler):
    server: Post

    def handle(self) -> None:
        self._say("220 here")
        while line := self.rfile.readline():
            word = line.split()[0].upper() if line.split() else b""
            if word == b"DATA":
                self._say("354 go on")
                self._take()
            elif word == b"QUIT":
                self._say("221 bye")
                return
            else:
                self._say("250 fine")

    def _take(self) -> None:
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            lines.append(line)
        with self.server.lock:
            if self.server.refusals:
                self.server.refusals -= 1
                self._say("451 try again later")
                return
            self.server.taken.append(message_from_bytes(b"".join(lines)))
        self._say("250 taken")

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


@contextmanager
def open_post() -> Iterator[Post]:
    """A server on a port of its own."""
    with Post() as post:
        thread = threading.Thread(target=post.serve_forever, args=(0.02,))
        thread.start()
        yield post
        post.shutdown()
        thread.join()
