"""Copies the journal to PostgreSQL in batches: idempotent, and for dead processes too."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import psycopg
from psycopg_pool import AsyncConnectionPool

from alpha.gateway.config import GatewayConfig
from alpha.gateway.journal import Journal, Segment, event_of, request_of
from infra import clock

log = logging.getLogger(__name__)
CONNECT_S = 3
LONGEST_PAUSE_S = 5.0
# Less than the five minutes for which settle.lua remembers a request.
REMEMBERED = timedelta(minutes=4)
COLUMNS = {
    "month": "date",
    "request_id": "uuid",
    "partner_id": "uuid",
    "key_id": "uuid",
    "grant_id": "uuid",
    "unit": "text",
    "stage_id": "uuid",
    "release_id": "uuid",
    "checkpoint_id": "uuid",
    "deployment_id": "uuid",
    "arm": "text",
    "codename": "text",
    "endpoint": "text",
    "streamed": "boolean",
    "state": "text",
    "http_status": "smallint",
    "problem": "text",
    "tokens_in": "bigint",
    "tokens_out": "bigint",
    "tokens_cached": "bigint",
    "tokens_in_shown": "bigint",
    "cost_micros": "bigint",
    "currency": "text",
    "first_token_ms": "double precision",
    "total_ms": "double precision",
    "started_at": "timestamptz",
    "ended_at": "timestamptz",
}
_NAMES = ", ".join(COLUMNS)
_TYPED = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
INSERT = f"""
INSERT INTO usage_event ({_NAMES})
SELECT {_NAMES} FROM jsonb_to_recordset(%s::text::jsonb) AS event({_TYPED})
ON CONFLICT (month, request_id) DO NOTHING RETURNING request_id
"""  # noqa: S608
# Remarks that came before their event; another partner's stay unbound.
BIND = """
UPDATE feedback f SET state = 'new', bound_at = now(), release_id = u.release_id,
    checkpoint_id = u.checkpoint_id, stage_id = u.stage_id, arm = u.arm, codename = u.codename
FROM usage_event u
WHERE f.state = 'unbound' AND f.request_id = ANY(%s::uuid[]) AND u.request_id = f.request_id
    AND u.month = ANY(%s::date[]) AND u.partner_id = f.partner_id
"""

Rescued = Callable[[Sequence[dict[str, Any]]], Awaitable[None]]


class Shipper:
    """Runs beside the calls; what it can't ship now stays in the journal."""

    def __init__(
        self,
        config: GatewayConfig,
        journal: Journal,
        pool: AsyncConnectionPool[Any],
        on_rescue: Rescued,
    ) -> None:
        self._config, self._journal, self._pool = config, journal, pool
        self._on_rescue = on_rescue
        self.n_shipped = 0
        """This process's own events that PostgreSQL has, or refused."""
        self._task: asyncio.Task[None] | None = None
        # Two at once would both move a segment's offset.
        self._shipping = asyncio.Lock()

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="gateway-ship")

    async def stop(self) -> None:
        """Ship what is left, if PostgreSQL takes it now."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        try:
            async with asyncio.timeout(CONNECT_S):
                await self.ship_own()
        except (psycopg.Error, OSError, TimeoutError) as error:
            log.warning("usage left in the journal for the next start: %s", error)

    async def _run(self) -> None:
        pause, rescued_at = self._config.ship_every_s, 0.0
        while True:
            try:
                await self.ship_own()
                if time.monotonic() - rescued_at >= self._config.rescue_every_s:
                    await self.rescue()
                    rescued_at = time.monotonic()
                pause = self._config.ship_every_s
            except (psycopg.Error, OSError) as error:
                pause = min(pause * 2, LONGEST_PAUSE_S)
                log.warning("usage waits in the journal: %s", str(error).strip())
            except Exception:
                # A defect must not end the shipping for good: the journal would only grow.
                pause = min(pause * 2, LONGEST_PAUSE_S)
                log.exception("usage waits in the journal")
            await asyncio.sleep(pause)

    async def ship_own(self) -> None:
        """Everything this process has written so far."""
        async with self._shipping:
            for segment in tuple(self._journal.segments):
                while lines := segment.unshipped():
                    ends = [line for line in lines if line[:1] == b"E"]
                    await self._ship(ends)
                    self.n_shipped += len(ends)
                    segment.shipped += sum(map(len, lines))
            if unwritten := tuple(self._journal.unwritten):
                await self._ship(unwritten)
                self.n_shipped += len(unwritten)
                self._journal.unwritten = self._journal.unwritten[len(unwritten) :]
            self._journal.drop_done()

    async def rescue(self) -> None:
        """The journals of processes that are gone; unfinished calls surface as aborted."""
        for segment in self._journal.abandoned():
            done = False
            try:
                await self._rescue(segment)
                done = True
            finally:
                segment.close(remove=done)

    async def _rescue(self, segment: Segment) -> None:
        unfinished: dict[bytes, bytes] = {}
        while lines := segment.unshipped():
            for line in lines:
                if line[:1] == b"S":
                    unfinished[request_of(line)] = line
                else:
                    unfinished.pop(request_of(line), None)
            await self._take_over([line for line in lines if line[:1] == b"E"])
            segment.shipped += sum(map(len, lines))
        await self._take_over(list(unfinished.values()))
        log.info("took over %s: %d calls never ended", segment.path.name, len(unfinished))

    async def _take_over(self, lines: Sequence[bytes]) -> None:
        """Ship them, and settle those that their process may not have settled.

        That is what PostgreSQL did not have yet, and what ended so lately that it may have been
        shipped first: the counters still remember whom they settled then, and count nobody twice.
        """
        new = await self._ship(lines)
        events = [orjson.loads(event_of(line)) for line in lines]
        since = clock.now() - REMEMBERED
        await self._on_rescue(
            [e for e in events if UUID(e["request_id"]) in new or _ended_after(e, since)]
        )

    async def _ship(self, lines: Sequence[bytes]) -> set[UUID]:
        """The requests among them that PostgreSQL did not have."""
        if not lines:
            return set()
        try:
            return await self._insert(lines)
        except psycopg.DataError:
            # One event that PostgreSQL can't take must not hold back the others.
            return set().union(*[await self._ship_alone(line) for line in lines])

    async def _ship_alone(self, line: bytes) -> set[UUID]:
        try:
            return await self._insert([line])
        except psycopg.DataError as error:
            self._journal.set_aside(line)
            log.error("usage event %r set aside: %s", request_of(line), str(error).strip())
            return set()

    async def _insert(self, lines: Sequence[bytes]) -> set[UUID]:
        events = b"[" + b",".join(map(event_of, lines)) + b"]"
        ids = [request_of(line).decode() for line in lines]
        months = sorted({month_in(line) for line in lines})
        async with self._pool.connection(timeout=CONNECT_S) as connection:
            async with connection.transaction():
                cursor = await connection.execute(INSERT, [events.decode()])
                new = {row[0] for row in await cursor.fetchall()}
                await connection.execute(BIND, [ids, months])
        return new


def _ended_after(event: dict[str, Any], moment: datetime) -> bool:
    """True too of a call that never ended: settling it only gives back what it had reserved."""
    return event["ended_at"] is None or datetime.fromisoformat(event["ended_at"]) > moment


def month_in(line: bytes) -> str:
    """The month of a line's event, which is its first field."""
    return event_of(line)[10:20].decode()
