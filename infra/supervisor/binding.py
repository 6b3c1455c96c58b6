"""The address the product listens on."""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass

from infra.embedded import EmbeddedError

ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104
BACKLOG = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A host and a port; port 0 asks for any free one."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """Where a browser on this machine reaches it."""
        host = ANY_ADDRESS.get(self.host, self.host)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


def parse_bind(text: str) -> Address:
    """`HOST:PORT`, `[IPV6]:PORT` or `PORT`; EmbeddedError for anything else."""
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") or "127.0.0.1"
    if not port.isdecimal() or int(port) > 65535:
        raise EmbeddedError(f"--bind {text!r} is no address: write HOST:PORT, as 127.0.0.1:8000.")
    return Address(host=host, port=int(port))


def listen(address: Address) -> socket.socket:
    """A listening socket, kept by the supervisor so that connections wait while a server heals."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Inherited by what it accepts: a server that is handed the socket does not set it, and the
        # second write of each answer then waits 40 ms for an acknowledgement.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind((address.host, address.port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise EmbeddedError(_refusal(address, error)) from error
    return listener


def _refusal(address: Address, error: OSError) -> str:
    other = f"'make run BIND={address.host}:{min(address.port + 1, 65535)}'"
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {address.port} on {address.host} is taken by another program: stop it, or "
            f"choose another port with {other} (or 'manage.py up --bind HOST:PORT')."
        )
    if error.errno == errno.EACCES:
        return (
            f"Port {address.port} needs more rights than you have: choose one from 1024 up "
            "with 'manage.py up --bind HOST:PORT'."
        )
    return f"{address.host}:{address.port} can't be listened on: {error.strerror or error}."
