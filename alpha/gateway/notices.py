"""`/v1/notices`: what a partner is told, and its word that it has read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import orjson
import psycopg
from psycopg.rows import dict_row

from alpha.gateway.errors import SERVER, Refusal
from alpha.gateway.parts import Parts
from alpha.gateway.wire import Call
from alpha.routing import KeyEntry
from infra import clock

CONNECT_S = 3
NEWEST = 200
_SHOWN = "n.id, n.kind, n.subject, n.text, n.sent_at, r.codenames, r.acknowledged_at"
_OWN = "FROM notice n JOIN notice_recipient r ON r.notice_id = n.id WHERE r.partner_id = %s"
LIST = f"SELECT {_SHOWN} {_OWN} ORDER BY n.sent_at DESC LIMIT {NEWEST}"  # noqa: S608
ONE = f"SELECT {_SHOWN} {_OWN} AND n.id = %s"  # noqa: S608
# The first word counts; the database refuses a second one too.
ACKNOWLEDGE = """
UPDATE notice_recipient SET acknowledged_at = %s, acknowledged_with_id = %s
WHERE partner_id = %s AND notice_id = %s AND acknowledged_at IS NULL
"""


async def list_notices(parts: Parts, call: Call, key: KeyEntry) -> None:
    """Answer with the notices to the key's partner, newest first."""
    rows = await _asked(parts, LIST, [key.partner_id])
    data = [_shown(row) for row in rows]
    await call.reply(200, orjson.dumps({"object": "list", "data": data}))


async def acknowledge(parts: Parts, call: Call, key: KeyEntry, text: str) -> None:
    """Note that the key's partner has read it; doing so again changes nothing."""
    identifier = _uuid(text)
    rows: list[dict[str, Any]] = []
    if identifier is not None:
        values = [clock.now(), key.id, key.partner_id, identifier]
        rows = await _asked(parts, ONE, [key.partner_id, identifier], before=(ACKNOWLEDGE, values))
    if not rows:
        raise Refusal(404, "notice_not_found", f"No notice '{text[:100]}'.", param="id")
    await call.reply(200, orjson.dumps(_shown(rows[0])))


async def _asked(
    parts: Parts,
    statement: str,
    values: list[Any],
    before: tuple[str, list[Any]] | None = None,
) -> list[dict[str, Any]]:
    """The rows, after another statement in the same transaction; Refusal 503."""
    try:
        async with parts.pool.connection(timeout=CONNECT_S) as connection:
            if before is not None:
                await connection.execute(*before)
            async with connection.cursor(row_factory=dict_row) as cursor:
                await cursor.execute(statement, values)
                return await cursor.fetchall()
    except psycopg.OperationalError as error:
        raise _away() from error


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    acknowledged_at = row["acknowledged_at"]
    return {
        "id": row["id"],
        "object": "notice",
        "kind": row["kind"],
        "subject": row["subject"],
        "text": row["text"],
        "models": row["codenames"],
        "created_at": int(row["sent_at"].timestamp()),
        "acknowledged_at": int(acknowledged_at.timestamp()) if acknowledged_at else None,
    }


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _away() -> Refusal:
    return Refusal(
        503,
        "notices_unavailable",
        "Notices can't be read at the moment. Try again.",
        kind=SERVER,
        retry_after=5,
    )
