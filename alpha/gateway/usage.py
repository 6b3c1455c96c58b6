"""`GET /v1/usage`: what a partner called, by day and codename, as the usage table has it.

No model call, so PostgreSQL is asked; one report at a time in each worker, since calls are not
to wait for readers of reports.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import orjson
import psycopg
from psycopg.rows import dict_row

from alpha.gateway.errors import SERVER, Refusal
from alpha.gateway.parts import Parts
from alpha.gateway.wire import Call
from alpha.routing import KeyEntry
from infra import clock

CONNECT_S = 3
PATIENCE_S = 5.0
MOST_DAYS = 92
USUAL_DAYS = 30
FIELDS = ("start", "end")
# Cached tokens of the hidden prompt are not shown, as in each reply.
BY_DAY = """
SELECT (started_at AT TIME ZONE 'UTC')::date AS day, codename, currency,
    count(*) AS n_calls,
    count(*) FILTER (WHERE state = 'succeeded') AS n_succeeded,
    sum(tokens_in_shown)::bigint AS input_tokens,
    sum(greatest(0, tokens_cached - (tokens_in - tokens_in_shown)))::bigint AS cached_tokens,
    sum(tokens_out)::bigint AS output_tokens,
    sum(cost_micros)::bigint AS cost_micros
FROM usage_event
WHERE partner_id = %s AND month BETWEEN %s AND %s AND started_at >= %s AND started_at < %s
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""


async def show_usage(parts: Parts, call: Call, key: KeyEntry) -> None:
    """Answer with the partner's own calls, tokens and cost, of all its keys."""
    start, end = days_asked(call.scope.get("query_string", b""), clock.now().date())
    try:
        async with asyncio.timeout(PATIENCE_S), parts.reports:
            async with parts.pool.connection(timeout=CONNECT_S) as connection:
                rows = await _rows(connection, key, start, end)
    except (TimeoutError, psycopg.OperationalError) as error:
        raise Refusal(
            503,
            "usage_unavailable",
            "Usage can't be read at the moment. Try again.",
            kind=SERVER,
            retry_after=5,
        ) from error
    body = {"object": "list", "start": start, "end": end, "data": [_shown(row) for row in rows]}
    await call.reply(200, orjson.dumps(body))


def days_asked(query: bytes, today: date) -> tuple[date, date]:
    """First and last day, UTC, both included; Refusal 400 that names the parameter."""
    sent = dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True))
    for name in sent:
        if name not in FIELDS:
            raise Refusal(
                400, "unknown_parameter", f"Unknown parameter: '{name[:100]}'.", param=name[:100]
            )
    end = _day("end", sent["end"]) if "end" in sent else today
    if end > today + timedelta(days=1):
        # One day later it may be where the partner is.
        raise _invalid("end", "'end' must not be in the future.")
    usual = end - timedelta(days=min(USUAL_DAYS - 1, (end - date.min).days))
    start = _day("start", sent["start"]) if "start" in sent else usual
    if end < start or (end - start).days >= MOST_DAYS:
        raise _invalid("start", f"'start' must be up to {MOST_DAYS - 1} days before 'end'.")
    return start, end


def _day(name: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise _invalid(name, f"'{name}' must be a day such as 2026-11-23.") from None


async def _rows(
    connection: psycopg.AsyncConnection[Any], key: KeyEntry, start: date, end: date
) -> list[dict[str, Any]]:
    since = datetime.combine(start, datetime.min.time(), UTC)
    until = since + timedelta(days=(end - start).days + 1)
    months = (start.replace(day=1), end.replace(day=1))
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(BY_DAY, [key.partner_id, *months, since, until])
        return await cursor.fetchall()


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    return {"object": "usage", **row}


def _invalid(param: str, message: str) -> Refusal:
    return Refusal(400, "invalid_value", message, param=param)
