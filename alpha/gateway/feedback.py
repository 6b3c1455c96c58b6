"""`/v1/feedback`: what a partner says about one of its calls."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import psycopg
from psycopg.rows import dict_row

from alpha.gateway.errors import SERVER, Refusal
from alpha.gateway.metering import Served, month_of
from alpha.gateway.parts import Parts
from alpha.gateway.shipper import BIND
from alpha.gateway.wire import Call
from alpha.routing import KeyEntry
from alpha.states import FeedbackState
from infra import clock
from infra.ids import created_at, uuid7

LIMIT_BYTES = 256 * 1024
CONNECT_S = 3
# How long the usage event of a call may take to land.
LANDING = timedelta(seconds=60)
ID_PREFIX = "chatcmpl-"
KEY_HEADER = b"idempotency-key"
TEXTS = {"label": 100, "comment": 20_000, "correction": 100_000}
SAID = ("thumbs_up", "rating", "number", *TEXTS)
FIELDS = frozenset({"request_id", "idempotency_key", *SAID})

EVENT = """
SELECT partner_id, stage_id, release_id, checkpoint_id, arm, codename FROM usage_event
WHERE month = %s AND request_id = %s
"""
INSERT = """
INSERT INTO feedback (id, partner_id, key_id, request_id, idempotency_key, source, state,
    thumbs_up, rating, number, label, comment, correction, codename, stage_id, release_id,
    checkpoint_id, arm, received_at, bound_at)
VALUES (%(id)s, %(partner_id)s, %(key_id)s, %(request_id)s, %(idempotency_key)s, 'api', %(state)s,
    %(thumbs_up)s, %(rating)s, %(number)s, %(label)s, %(comment)s, %(correction)s, %(codename)s,
    %(stage_id)s, %(release_id)s, %(checkpoint_id)s, %(arm)s, %(received_at)s, %(bound_at)s)
ON CONFLICT (partner_id, idempotency_key) WHERE idempotency_key <> '' DO NOTHING
"""
_SHOWN = "id, request_id, state, received_at, thumbs_up, rating, number, label, comment, correction"
BY_ID = f"SELECT {_SHOWN} FROM feedback WHERE partner_id = %s AND id = %s"  # noqa: S608
BY_KEY = f"SELECT {_SHOWN} FROM feedback WHERE partner_id = %s AND idempotency_key = %s"  # noqa: S608
NOT_SERVED: dict[str, Any] = {
    "stage_id": None,
    "release_id": None,
    "checkpoint_id": None,
    "arm": "",
    "codename": "",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """A checked body."""

    request_id: UUID
    idempotency_key: str
    said: Mapping[str, Any]


async def post_feedback(parts: Parts, call: Call, key: KeyEntry) -> None:
    """Keep a remark about a call of the key's partner; the same one twice is kept once."""
    body = await call.json_object(LIMIT_BYTES, parts.config.body_patience_s)
    remark = remark_of(body, call.header(KEY_HEADER))
    try:
        async with parts.pool.connection(timeout=CONNECT_S) as connection:
            served = await _served(parts, connection, remark.request_id, key)
            row = await _kept(connection, key, remark, served)
    except psycopg.OperationalError as error:
        raise _away() from error
    await call.reply(200, orjson.dumps(_shown(row)))


async def show_feedback(parts: Parts, call: Call, key: KeyEntry, text: str) -> None:
    """Where a remark of the key's partner stands."""
    identifier = _uuid(text)
    row = None
    try:
        async with parts.pool.connection(timeout=CONNECT_S) as connection:
            if identifier is not None:
                row = await _one(connection, BY_ID, [key.partner_id, identifier])
    except psycopg.OperationalError as error:
        raise _away() from error
    if row is None:
        raise Refusal(404, "feedback_not_found", f"No feedback '{text[:100]}'.", param="id")
    await call.reply(200, orjson.dumps(_shown(row)))


def remark_of(body: Mapping[str, Any], header: str) -> Remark:
    """The checked body; Refusal 400 that names the field in `param`."""
    for name in body:
        if name not in FIELDS:
            raise Refusal(
                400, "unknown_parameter", f"Unknown parameter: '{name[:100]}'.", param=name[:100]
            )
    identifier = _uuid(str(body.get("request_id") or "").removeprefix(ID_PREFIX))
    if identifier is None or identifier.version != 7:
        raise _invalid(
            "request_id", "'request_id' must be a reply's `id` or its `x-request-id` header."
        )
    said = {name: body[name] for name in SAID if body.get(name) is not None}
    if not said:
        raise _invalid("comment", f"Say something: at least one of {', '.join(SAID)}.")
    _check(said)
    idempotency_key = body.get("idempotency_key") or header
    if not isinstance(idempotency_key, str) or not _is_text(idempotency_key, 200):
        raise _invalid("idempotency_key", "'idempotency_key' must be text of up to 200 characters.")
    return Remark(request_id=identifier, idempotency_key=idempotency_key, said=said)


def _check(said: Mapping[str, Any]) -> None:
    if not isinstance(said.get("thumbs_up", True), bool):
        raise _invalid("thumbs_up", "'thumbs_up' must be true or false.")
    rating = said.get("rating", 0)
    if not isinstance(rating, int) or isinstance(rating, bool) or not -1000 <= rating <= 1000:
        raise _invalid("rating", "'rating' must be a whole number from -1000 to 1000.")
    number = said.get("number", 0)
    if not isinstance(number, int | float) or isinstance(number, bool) or not _fits(number):
        raise _invalid("number", "'number' must be a number.")
    for name, longest in TEXTS.items():
        if not _is_text(said.get(name, ""), longest):
            raise _invalid(name, f"'{name}' must be text of up to {longest:,} characters.")


def _fits(number: float) -> bool:
    return math.isfinite(number) and abs(number) < 1e300


def _is_text(value: Any, longest: int) -> bool:
    return isinstance(value, str) and len(value) <= longest and "\0" not in value


async def _served(
    parts: Parts, connection: psycopg.AsyncConnection[Any], request_id: UUID, key: KeyEntry
) -> Served | None:
    """What served the call; None while its event may still land; Refusal 404 for no own call."""
    served = parts.ledger.lately(request_id)
    if served is None:
        called_at = created_at(request_id)
        row = await _one(connection, EVENT, [month_of(called_at), request_id])
        served = Served(**row) if row else None
        if served is None and abs(clock.now() - called_at) > LANDING:
            raise _no_call()
    if served is not None and served.partner_id != key.partner_id:
        raise _no_call()
    return served


async def _kept(
    connection: psycopg.AsyncConnection[Any], key: KeyEntry, remark: Remark, served: Served | None
) -> Mapping[str, Any]:
    """The row as it stands, whether made now or before."""
    identifier, now = uuid7(), clock.now()
    row = _row(identifier, key, remark, served, now)
    await connection.execute(INSERT, row)
    if served is None:
        # The event may have landed between the look and the insert.
        month = month_of(created_at(remark.request_id))
        await connection.execute(BIND, [[str(remark.request_id)], [month]])
    found = await _one(connection, BY_ID, [key.partner_id, identifier])
    if found is None:
        found = await _one(connection, BY_KEY, [key.partner_id, remark.idempotency_key])
    if found is None:
        raise _away()
    same = {name: found[name] for name in remark.said} == dict(remark.said)
    if found["request_id"] != remark.request_id or not same:
        raise Refusal(
            409,
            "idempotency_key_reused",
            "This idempotency key came with other feedback before. Use a new key.",
            param="idempotency_key",
        )
    return found


def _row(
    identifier: UUID, key: KeyEntry, remark: Remark, served: Served | None, now: datetime
) -> dict[str, Any]:
    state = FeedbackState.NEW if served else FeedbackState.UNBOUND
    empty = {"thumbs_up": None, "rating": None, "number": None, **dict.fromkeys(TEXTS, "")}
    return {
        **empty,
        **remark.said,
        **(asdict(served) if served else NOT_SERVED),
        "id": identifier,
        "partner_id": key.partner_id,
        "key_id": key.id,
        "request_id": remark.request_id,
        "idempotency_key": remark.idempotency_key,
        "state": state.value,
        "received_at": now,
        "bound_at": now if served else None,
    }


async def _one(
    connection: psycopg.AsyncConnection[Any], statement: str, values: list[Any]
) -> dict[str, Any] | None:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(statement, values)
        return await cursor.fetchone()


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": row["id"],
        "object": "feedback",
        "request_id": row["request_id"],
        "state": row["state"],
        "created_at": int(row["received_at"].timestamp()),
    }


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _invalid(param: str, message: str) -> Refusal:
    return Refusal(400, "invalid_value", message, param=param)


def _no_call() -> Refusal:
    return Refusal(404, "request_not_found", "You made no such call.", param="request_id")


def _away() -> Refusal:
    return Refusal(
        503,
        "feedback_unavailable",
        "Feedback can't be taken at the moment. Try again.",
        kind=SERVER,
        retry_after=5,
    )
