"""Keeps the text of calls whose grant consents: sealed, away from the calls, never otherwise.

A full queue or a store out of reach drops transcripts, which is logged; a call never waits.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
import psycopg
from psycopg_pool import AsyncConnectionPool

from alpha import sealing
from alpha.gateway.config import GatewayConfig
from infra import clock
from infra.errors import DomainError
from infra.ids import created_at, uuid7

log = logging.getLogger(__name__)
CONNECT_S = 3
OWN_KEY = """
SELECT id, wrapped_key FROM partner_data_key
WHERE partner_id = %s AND dropped_at IS NULL AND wrapped_key IS NOT NULL
ORDER BY number DESC LIMIT 1
"""
NEW_KEY = """
INSERT INTO partner_data_key (id, partner_id, number, wrapped_key, created_at)
SELECT %(id)s, %(partner)s, coalesce(max(number), 0) + 1, %(wrapped)s, now()
FROM partner_data_key WHERE partner_id = %(partner)s
ON CONFLICT (partner_id, number) DO NOTHING
"""
STORED = """
INSERT INTO transcript (request_id, partner_id, data_key_id, object_key, stored_at, expires_at)
VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (request_id) DO NOTHING
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What was said in one call, as the client sent and saw it."""

    request_id: UUID
    partner_id: UUID
    days: int
    text: dict[str, Any] = field(repr=False)


class Transcripts:
    """The worker's queue of text to keep."""

    def __init__(self, config: GatewayConfig, pool: AsyncConnectionPool[Any]) -> None:
        self._config, self._pool = config, pool
        self._queue: asyncio.Queue[Told] = asyncio.Queue(config.transcript_queue)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="gateway-transcripts")

    async def stop(self) -> None:
        """Keep what is queued, if it can be done now."""
        try:
            async with asyncio.timeout(CONNECT_S):
                await self._queue.join()
        except TimeoutError:
            log.warning("%d transcripts were not kept", self._queue.qsize())
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def offer(self, told: Told) -> None:
        """Keep it, unless the queue is full."""
        try:
            self._queue.put_nowait(told)
        except asyncio.QueueFull:
            log.warning("the transcript of %s was not kept: the queue is full", told.request_id)

    async def _run(self) -> None:
        while True:
            told = await self._queue.get()
            try:
                await self._keep(told)
            except (psycopg.Error, OSError, DomainError, sealing.Unreadable) as error:
                # The error is the store's or the database's: it holds no text of the call.
                log.warning("the transcript of %s was not kept: %s", told.request_id, error)
            finally:
                self._queue.task_done()

    async def _keep(self, told: Told) -> None:
        key_id, key = await self.data_key(told.partner_id)
        day = f"{created_at(told.request_id):%Y-%m-%d}"
        place = f"transcripts/{told.partner_id}/{day}/{told.request_id}"
        await asyncio.to_thread(self._put, place, key, told)
        now = clock.now()
        expires_at = now + timedelta(days=told.days)
        row = (told.request_id, told.partner_id, key_id, place, now, expires_at)
        async with self._pool.connection(timeout=CONNECT_S) as connection:
            await connection.execute(STORED, row)

    def _put(self, place: str, key: bytes, told: Told) -> None:
        sealed = sealing.seal(key, told.request_id, orjson.dumps(told.text))
        self._config.object_store().put(place, sealed)

    async def data_key(self, partner_id: UUID) -> tuple[UUID, bytes]:
        """The partner's key in force, made on first use; asked anew each time: keys are dropped."""
        master = self._config.transcript_key
        async with self._pool.connection(timeout=CONNECT_S) as connection:
            for _ in range(3):
                found = await (await connection.execute(OWN_KEY, [partner_id])).fetchone()
                if found is not None:
                    wrapped = bytes(found[1])
                    return found[0], sealing.unwrap(master, partner_id, wrapped)
                _, wrapped = sealing.new_data_key(master, partner_id)
                made = {"id": uuid7(), "partner": partner_id, "wrapped": wrapped}
                await connection.execute(NEW_KEY, made)
        raise OSError("no data key could be made for the partner")
