"""`/v1/feedback`: what a partner says about one of its calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import orjson
import psycopg
from psycopg.rows import dict_row

from alpha.gateway.attachments import days_to_keep, keep_attachment
from alpha.gateway.errors import SERVER, Refusal
from alpha.gateway.feedback_answers import answer_notice
from alpha.gateway.feedback_bodies import TEXTS, Remark, remark_of, uuid_of
from alpha.gateway.metering import Served, month_of
from alpha.gateway.parts import Parts
from alpha.gateway.shipper import BIND
from alpha.gateway.wire import Call
from alpha.routing import KeyEntry
from alpha.states import PUBLIC_FINDING_STATES, FeedbackState, FindingState
from infra import clock
from infra.ids import created_at, uuid7

# An attachment in base64, and the texts.
LIMIT_BYTES = 2 * 1024 * 1024
CONNECT_S = 3
# How long the usage event of a call may take to land.
LANDING = timedelta(seconds=60)
KEY_HEADER = b"idempotency-key"

EVENT = """
SELECT partner_id, stage_id, release_id, checkpoint_id, arm, codename FROM usage_event
WHERE month = %s AND request_id = %s
"""
# All calls of a conversation at once.
OWNERS = """
SELECT request_id, partner_id FROM usage_event
WHERE month = ANY(%s::date[]) AND request_id = ANY(%s::uuid[])
"""
INSERT = """
INSERT INTO feedback (id, partner_id, key_id, request_id, conversation, labels, severity,
    idempotency_key, source, state,
    thumbs_up, rating, number, label, comment, correction, codename, stage_id, release_id,
    checkpoint_id, arm, received_at, bound_at)
VALUES (%(id)s, %(partner_id)s, %(key_id)s, %(request_id)s, %(conversation)s::uuid[], '{}', '',
    %(idempotency_key)s, 'api', %(state)s,
    %(thumbs_up)s, %(rating)s, %(number)s, %(label)s, %(comment)s, %(correction)s, %(codename)s,
    %(stage_id)s, %(release_id)s, %(checkpoint_id)s, %(arm)s, %(received_at)s, %(bound_at)s)
ON CONFLICT (partner_id, idempotency_key) WHERE idempotency_key <> '' DO NOTHING
"""
# The finding that a remark, or the one whose duplicate it is, was linked to first.
_SHOWN = """
SELECT f.id, f.request_id, f.conversation, f.state, f.received_at, f.thumbs_up, f.rating, f.number,
    f.label, f.comment, f.correction, a.sha256 AS attached, a.stored_at, n.state AS finding_state,
    q.notice_id AS notice, q.resolved,
    (SELECT r.codenames FROM notice_recipient r JOIN notice o ON o.id = r.notice_id
        WHERE o.finding_id = n.id AND r.partner_id = f.partner_id
        ORDER BY o.sent_at DESC LIMIT 1) AS fixed_in
FROM feedback f
LEFT JOIN feedback_attachment a ON a.feedback_id = f.id
LEFT JOIN notice_recipient q ON q.answered_in_id = f.id
LEFT JOIN LATERAL (SELECT w.id, w.state FROM finding_report p JOIN finding w ON w.id = p.finding_id
    WHERE p.feedback_id = coalesce(f.duplicate_of_id, f.id) ORDER BY p.linked_at LIMIT 1
) n ON true
WHERE f.partner_id = %s"""
BY_ID = f"{_SHOWN} AND f.id = %s"
BY_KEY = f"{_SHOWN} AND f.idempotency_key = %s"
NOT_SERVED: dict[str, Any] = {
    "stage_id": None,
    "release_id": None,
    "checkpoint_id": None,
    "arm": "",
    "codename": "",
}


async def post_feedback(parts: Parts, call: Call, key: KeyEntry) -> None:
    """Keep a remark about a call of the key's partner; the same one twice is kept once."""
    body = await call.json_object(LIMIT_BYTES, parts.config.body_patience_s)
    remark = remark_of(body, call.header(KEY_HEADER))
    try:
        async with parts.pool.connection(timeout=CONNECT_S) as connection:
            served = await _served(parts, connection, remark.request_id, key)
            await _must_be_own(parts, connection, remark.calls[:-1], key)
            days = days_to_keep(parts, key, served) if remark.attachment else 0
            row = await _kept(connection, key, remark, served)
        if remark.attachment is not None and row["stored_at"] is None:
            await keep_attachment(parts, key, row["id"], remark.attachment, days)
    except psycopg.OperationalError as error:
        raise _away() from error
    await call.reply(200, orjson.dumps(_shown(row)))


async def show_feedback(parts: Parts, call: Call, key: KeyEntry, text: str) -> None:
    """Where a remark of the key's partner stands."""
    identifier = uuid_of(text)
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


async def _must_be_own(
    parts: Parts, connection: psycopg.AsyncConnection[Any], calls: Sequence[UUID], key: KeyEntry
) -> None:
    """Refusal 404 for a call of the conversation that is not the partner's, or has not landed."""
    lately = {one: parts.ledger.lately(one) for one in calls}
    owners = {one: served.partner_id for one, served in lately.items() if served is not None}
    asked = [one for one in calls if one not in owners]
    if asked:
        months = sorted({month_of(created_at(one)) for one in asked})
        cursor = await connection.execute(OWNERS, [months, asked])
        owners |= dict(await cursor.fetchall())
    if any(owners.get(one) != key.partner_id for one in calls):
        raise _no_call("conversation")


async def _kept(
    connection: psycopg.AsyncConnection[Any], key: KeyEntry, remark: Remark, served: Served | None
) -> Mapping[str, Any]:
    """The row as it stands, whether made now or before."""
    identifier, now = uuid7(), clock.now()
    row = _row(identifier, key, remark, served, now)
    async with connection.transaction():
        inserted = await connection.execute(INSERT, row)
        if inserted.rowcount and remark.notice is not None:
            # Refused, it takes the remark with it.
            await answer_notice(connection, key, remark, served, identifier, now)
    if served is None:
        # The event may have landed between the look and the insert.
        month = month_of(created_at(remark.request_id))
        await connection.execute(BIND, [[str(remark.request_id)], [month]])
    found = await _one(connection, BY_ID, [key.partner_id, identifier])
    if found is None:
        found = await _one(connection, BY_KEY, [key.partner_id, remark.idempotency_key])
    if found is None:
        raise _away()
    if not _is_same(found, remark):
        raise Refusal(
            409,
            "idempotency_key_reused",
            "This idempotency key came with other feedback before. Use a new key.",
            param="idempotency_key",
        )
    return found


def _is_same(found: Mapping[str, Any], remark: Remark) -> bool:
    same = {name: found[name] for name in remark.said} == dict(remark.said)
    attached = found["attached"]
    if attached is not None and remark.attachment is not None:
        same = same and attached == sha256(remark.attachment.content).hexdigest()
    return same and (found["request_id"], found["conversation"], found["notice"]) == (
        remark.request_id,
        _conversation(remark),
        remark.notice,
    )


def _conversation(remark: Remark) -> list[UUID]:
    return list(remark.calls) if len(remark.calls) > 1 else []


def _row(
    identifier: UUID, key: KeyEntry, remark: Remark, served: Served | None, now: datetime
) -> dict[str, Any]:
    state = FeedbackState.NEW if served else FeedbackState.UNBOUND
    empty = {"thumbs_up": None, "rating": None, "number": None, **dict.fromkeys(TEXTS, "")}
    return {
        **empty,
        **remark.said,
        **(served._asdict() if served else NOT_SERVED),
        "id": identifier,
        "partner_id": key.partner_id,
        "key_id": key.id,
        "request_id": remark.request_id,
        "conversation": _conversation(remark),
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
        **({"conversation": row["conversation"]} if row["conversation"] else {}),
        **({"finding": _finding(row)} if row["finding_state"] else {}),
        **({"notice": row["notice"], "resolved": row["resolved"]} if row["notice"] else {}),
    }


def _finding(row: Mapping[str, Any]) -> dict[str, Any]:
    """How what was reported goes on: no title, no name, no checkpoint of the house."""
    state = FindingState(row["finding_state"])
    fixed_in = row["fixed_in"] if state is FindingState.FIXED else None
    return {
        "state": PUBLIC_FINDING_STATES[state],
        "fixed_in": fixed_in[0] if fixed_in else None,
    }


def _no_call(param: str = "request_id") -> Refusal:
    return Refusal(404, "request_not_found", "You made no such call.", param=param)


def _away() -> Refusal:
    return Refusal(
        503,
        "feedback_unavailable",
        "Feedback can't be taken at the moment. Try again.",
        kind=SERVER,
        retry_after=5,
    )
