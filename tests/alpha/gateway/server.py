"""The gateway behind a real uvicorn, in a thread of the test's process."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import uvicorn

from alpha.gateway.app import Gateway, run_lifespan
from alpha.gateway.config import GatewayConfig
from alpha.gateway.parts import Parts
from alpha.models import UsageEvent
from infra.gateway_asgi import gateway_config
from infra.http_protocol import HeadWithBody


class _Server(uvicorn.Server):
    """Ends as soon as it is told to: uvicorn's own looks for it ten times a second."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop, self._told = asyncio.get_running_loop(), asyncio.Event()
        await super().startup(sockets)

    async def main_loop(self) -> None:
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._told.wait(), 1)

    def leave(self) -> None:
        self.should_exit = True
        self._loop.call_soon_threadsafe(self._told.set)


class Running:
    """A gateway that answers at `url`."""

    def __init__(self, config: GatewayConfig) -> None:
        self.gateway = Gateway(config)
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/v1"
        settings = uvicorn.Config(
            self._application,
            log_level="error",
            server_header=False,
            loop="uvloop",
            http=HeadWithBody,
            interface="asgi3",
        )
        settings.timeout_graceful_shutdown = 1
        self._server = _Server(settings)
        self._thread = threading.Thread(target=self._run, daemon=True)

    async def _application(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await run_lifespan(self.gateway, receive, send)
        else:
            await self.gateway(scope, receive, send)

    def _run(self) -> None:
        self._server.run(sockets=[self._socket])

    @property
    def parts(self) -> Parts:
        assert self.gateway._parts is not None
        return self.gateway._parts

    def start(self) -> None:
        self._thread.start()
        wait_for(lambda: self._server.started, "the gateway is up")

    def stop(self) -> None:
        self._server.leave()
        self._thread.join(15)
        assert not self._thread.is_alive(), "the gateway did not stop"

    def do(self, work: Any) -> Any:
        """Run a coroutine on the gateway's own loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop()).result(10)

    def _loop(self) -> asyncio.AbstractEventLoop:
        task = self.parts.shipper._task
        assert task is not None
        return task.get_loop()


@contextmanager
def running(config: GatewayConfig | None = None, **changes: Any) -> Iterator[Running]:
    server = Running(replace(config or gateway_config(), **changes))
    server.start()
    try:
        yield server
    finally:
        server.stop()


def wait_for(holds: Callable[[], Any], what: str, within_s: float = 10.0) -> Any:
    """What `holds` returns as soon as it is true."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        if found := holds():
            return found
        time.sleep(0.01)
    raise AssertionError(f"not within {within_s} s: {what}")


def usage_of(request_id: str) -> UsageEvent:
    """The usage event of a call, once it landed."""
    return wait_for(
        lambda: UsageEvent.objects.filter(request_id=request_id).first(), "the usage event landed"
    )
