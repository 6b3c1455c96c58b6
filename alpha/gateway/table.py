"""Keeps the worker's table: told by PostgreSQL of every change, polling as a net."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import psycopg
from psycopg_pool import AsyncConnectionPool

from alpha.gateway.config import GatewayConfig
from alpha.gateway.rows import read_table
from alpha.routing import Table
from infra import clock

log = logging.getLogger(__name__)
# The channel of the triggers (infra.triggers), named again: that module needs Django's models.
CHANNEL = "slipway_routing"
COALESCE_S = 0.02
RETRY_S = 0.5
CONNECT_S = 3
# Out of reach, or rows this version can't understand: the last table stays until its time is up.
UNREADABLE = (psycopg.Error, OSError, ValueError, TypeError, KeyError)


class TableKeeper:
    """Holds the current table; `table` is replaced whole, never changed."""

    def __init__(
        self,
        config: GatewayConfig,
        pool: AsyncConnectionPool[Any],
        on_swap: Callable[[Table], None],
    ) -> None:
        self._config, self._pool, self._on_swap = config, pool, on_swap
        self.table: Table | None = None
        self.is_listening = False
        self._wanted = asyncio.Event()
        self._loaded = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin listening and loading; returns once the first table stands, or its time is up."""
        self._wanted.set()
        self._tasks = [
            asyncio.create_task(self._listen(), name="gateway-listen"),
            asyncio.create_task(self._refresh(), name="gateway-refresh"),
        ]
        try:
            async with asyncio.timeout(self._config.first_load_s):
                await self._loaded.wait()
        except TimeoutError:
            log.error("no table within %s s: /v1 answers 503", self._config.first_load_s)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def current(self) -> Table | None:
        """The table, unless it is older than it may be."""
        table = self.table
        if table is None:
            return None
        age = (clock.now() - table.loaded_at).total_seconds()
        return table if age <= self._config.table_max_age_s else None

    async def _refresh(self) -> None:
        while True:
            patience = self._config.poll_s if self.is_listening else self._config.poll_deaf_s
            try:
                async with asyncio.timeout(patience):
                    await self._wanted.wait()
            except TimeoutError:
                pass
            self._wanted.clear()
            try:
                await self._load()
            except UNREADABLE as error:
                log.warning("the routing table can't be read: %s", str(error).strip())
                await asyncio.sleep(RETRY_S)
            # A burst of commits is read once more, not once each.
            await asyncio.sleep(COALESCE_S)

    async def _load(self) -> None:
        now = clock.now()
        async with self._pool.connection(timeout=CONNECT_S) as connection:
            table = await read_table(connection, self._config.secret_of, now)
        self.table = table
        self._loaded.set()
        self._on_swap(table)

    async def _listen(self) -> None:
        while True:
            try:
                await self._hear()
            except (psycopg.Error, OSError) as error:
                log.warning("not listening for changes: %s", str(error).strip())
            finally:
                self.is_listening = False
            await asyncio.sleep(RETRY_S)

    async def _hear(self) -> None:
        connection = await psycopg.AsyncConnection.connect(
            self._config.database, autocommit=True, connect_timeout=CONNECT_S
        )
        async with connection:
            await connection.execute(f"LISTEN {CHANNEL}")
            self.is_listening = True
            # What changed before the channel was open was not heard.
            self._wanted.set()
            async for _ in connection.notifies():
                self._wanted.set()
