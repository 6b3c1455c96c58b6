"""What a gateway worker is made of; made once at its start, closed at its end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

import psycopg
from psycopg_pool import AsyncConnectionPool

from alpha.gateway.config import GatewayConfig
from alpha.gateway.counts import Counts
from alpha.gateway.errors import Refusal
from alpha.gateway.hidden import HiddenPrompts
from alpha.gateway.journal import Journal
from alpha.gateway.limits import Limits, Spent
from alpha.gateway.metering import Ledger
from alpha.gateway.proxy import Upstreams
from alpha.gateway.rates import limits_away
from alpha.gateway.resting import Resting
from alpha.gateway.scopes import Scope
from alpha.gateway.scripts import OUT_OF_REACH
from alpha.gateway.shipper import Shipper
from alpha.gateway.table import TableKeeper
from alpha.gateway.transcripts import Transcripts
from alpha.gateway.under_way import CallsUnderWay
from alpha.routing import Table, deployments_of

log = logging.getLogger(__name__)
CONNECT_S = 3
# A statement that waits longer is given up and tried again: nothing of a worker may hang for good.
STATEMENT_MS = 10_000
SPENT = """
SELECT coalesce(sum(tokens_in_shown + tokens_out), 0)::bigint,
    coalesce(sum(cost_micros), 0)::bigint,
    coalesce(sum(tokens_in_shown + tokens_out) FILTER (WHERE today), 0)::bigint,
    coalesce(sum(cost_micros) FILTER (WHERE today), 0)::bigint,
    floor(extract(epoch FROM now()) / 86400)::bigint
FROM usage_event, LATERAL (SELECT started_at >= date_trunc('day', now(), 'UTC') AS today) AS of_day
WHERE partner_id = %(partner_id)s
    AND (%(key_id)s::uuid IS NULL OR key_id = %(key_id)s)
    AND (%(grant_id)s::uuid IS NULL OR grant_id = %(grant_id)s)
"""


async def _impatient(connection: psycopg.AsyncConnection[Any]) -> None:
    await connection.execute(f"SET statement_timeout = {STATEMENT_MS}")


class Parts:
    """The parts of one worker, opened and closed in order."""

    def __init__(self, config: GatewayConfig, counts: Counts) -> None:
        self.config, self.counts = config, counts
        self.pool: AsyncConnectionPool[Any] = AsyncConnectionPool(
            config.database,
            min_size=1,
            max_size=4,
            open=False,
            kwargs={"autocommit": True, "connect_timeout": CONNECT_S},
            configure=_impatient,
            name="gateway",
        )
        self.journal = Journal(config.journal_dir, config.segment_bytes)
        self.ledger = Ledger(self.journal)
        self.upstreams = Upstreams(config)
        self.resting = Resting(after=config.rest_after, rest_s=config.rest_s)
        self.hidden = HiddenPrompts(self.upstreams)
        self.limits = Limits(config, self._spent)
        self.shipper = Shipper(config, self.journal, self.pool, self.limits.settle_rescued)
        self.transcripts = Transcripts(config, self.pool)
        self.tables = TableKeeper(config, self.pool, self._swapped)
        self.under_way = CallsUnderWay(lambda: self.tables.table, config.whole_call_s)
        # One report at a time: connections are for the calls' own business.
        self.reports = asyncio.Semaphore(1)
        self._background: set[asyncio.Task[Any]] = set()

    async def open(self) -> None:
        """Ready for calls; without PostgreSQL or Valkey too, which are then waited for."""
        self.journal.open()
        self.upstreams.open()
        await self.pool.open(wait=False)
        self.limits.open()
        self.shipper.start()
        self.transcripts.start()
        await self.tables.start()

    async def close(self) -> None:
        """Settle, ship and keep what is left, then let everything go."""
        await self.tables.stop()
        await self.hidden.close()
        if self._background:
            await asyncio.wait(self._background, timeout=CONNECT_S)
        await self.limits.close()
        await self.transcripts.stop()
        await self.shipper.stop()
        await self.upstreams.close()
        await self.pool.close()
        self.journal.close()

    def in_background(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run it beside the calls; `close` waits for it."""
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    def _swapped(self, table: Table) -> None:
        self.under_way.look_again()
        self.hidden.measure_all(table)
        self.resting.only(deployments_of(table))
        self.limits.table_is(table)
        self.in_background(self._seed())

    async def _seed(self) -> None:
        try:
            await self.limits.seed_missing()
        except (*OUT_OF_REACH, Refusal) as error:
            log.warning("spending is not known to the counters yet: %s", error)

    async def _spent(self, scope: Scope) -> Spent:
        """What the usage table says, with everything this worker has to tell in it."""
        ids = {"partner_id": scope.partner_id, "key_id": scope.key_id, "grant_id": scope.grant_id}
        try:
            await self.shipper.ship_own()
            async with self.pool.connection(timeout=CONNECT_S) as connection:
                cursor = await connection.execute(SPENT, ids)
                row = await cursor.fetchone()
        except psycopg.Error as error:
            raise limits_away() from error
        tokens, micros, tokens_today, micros_today, day = row or (0, 0, 0, 0, 0)
        return Spent(
            tokens=tokens,
            micros=micros,
            tokens_today=tokens_today,
            micros_today=micros_today,
            day=day,
        )
