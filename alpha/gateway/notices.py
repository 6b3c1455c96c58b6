"""`/v1/notices`: what a partner is told, and its word that it has read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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
LIMIT_BYTES = 64 * 1024
COMMENT_LENGTH = 20_000
FIELDS = ("resolved", "comment")
FIX = "fix"
_SHOWN = (
    "n.id, n.kind, n.subject, n.text, n.sent_at, r.codenames, r.feedback_ids, r.acknowledged_at, "
    "r.resolved, r.answer, r.answered_at"
)
_OWN = "FROM notice n JOIN notice_recipient r ON r.notice_id = n.id WHERE r.partner_id = %s"
LIST = f"SELECT {_SHOWN} {_OWN} ORDER BY n.sent_at DESC LIMIT {NEWEST}"  # noqa: S608
ONE = f"SELECT {_SHOWN} {_OWN} AND n.id = %s"  # noqa: S608
# The first word counts; the database refuses a second one too.
ACKNOWLEDGE = """
UPDATE notice_recipient SET acknowledged_at = %s, acknowledged_with_id = %s
WHERE partner_id = %s AND notice_id = %s AND acknowledged_at IS NULL
"""
ANSWER = """
UPDATE notice_recipient r SET resolved = %s, answer = %s, answered_at = %s,
    acknowledged_at = coalesce(r.acknowledged_at, %s),
    acknowledged_with_id = coalesce(r.acknowledged_with_id, %s)
FROM notice n
WHERE r.partner_id = %s AND r.notice_id = %s AND r.answered_at IS NULL AND n.id = r.notice_id
    AND n.kind = 'fix'
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Whether what the partner reported is gone; None: it has only read the notice."""

    resolved: bool | None = None
    comment: str = ""


async def list_notices(parts: Parts, call: Call, key: KeyEntry) -> None:
    """Answer with the notices to the key's partner, newest first."""
    rows = await _asked(parts, LIST, [key.partner_id])
    data = [_shown(row) for row in rows]
    await call.reply(200, orjson.dumps({"object": "list", "data": data}))


async def acknowledge(parts: Parts, call: Call, key: KeyEntry, text: str) -> None:
    """Note that the key's partner has read it, and whether a fix has helped; the first time counts.

    Refusal 409 for another answer than the one given before.
    """
    answer = answer_of(await call.json_object_or_none(LIMIT_BYTES, parts.config.body_patience_s))
    identifier = _uuid(text)
    rows: list[dict[str, Any]] = []
    if identifier is not None:
        before = _written(answer, key, identifier)
        rows = await _asked(parts, ONE, [key.partner_id, identifier], before=before)
    if not rows:
        raise Refusal(404, "notice_not_found", f"No notice '{text[:100]}'.", param="id")
    _must_stand(answer, rows[0])
    await call.reply(200, orjson.dumps(_shown(rows[0])))


def answer_of(body: Mapping[str, Any] | None) -> Answer:
    """The checked body; Refusal 400 that names the field in `param`."""
    given = dict(body or {})
    for name in given:
        if name not in FIELDS:
            name = name[:100]
            raise Refusal(400, "unknown_parameter", f"Unknown parameter: '{name}'.", param=name)
    resolved, comment = given.get("resolved"), given.get("comment", "")
    if resolved is not None and not isinstance(resolved, bool):
        raise Refusal(400, "invalid_value", "'resolved' must be true or false.", param="resolved")
    if not isinstance(comment, str) or len(comment) > COMMENT_LENGTH or "\0" in comment:
        limit = f"'comment' must be text of up to {COMMENT_LENGTH:,} characters."
        raise Refusal(400, "invalid_value", limit, param="comment")
    if comment and resolved is None:
        message = "Say with the comment whether it is gone: 'resolved' true or false."
        raise Refusal(400, "invalid_value", message, param="resolved")
    return Answer(resolved=resolved, comment=comment)


def _written(answer: Answer, key: KeyEntry, notice_id: UUID) -> tuple[str, list[Any]]:
    now, whose = clock.now(), [key.partner_id, notice_id]
    if answer.resolved is None:
        return ACKNOWLEDGE, [now, key.id, *whose]
    return ANSWER, [answer.resolved, answer.comment, now, now, key.id, *whose]


def _must_stand(answer: Answer, row: Mapping[str, Any]) -> None:
    if answer.resolved is None:
        return
    if row["kind"] != FIX:
        message = "This notice asks nothing: acknowledge it without 'resolved'."
        raise Refusal(400, "invalid_value", message, param="resolved")
    if (row["resolved"], row["answer"]) != (answer.resolved, answer.comment):
        message = "This notice was answered before. Send feedback to say more."
        raise Refusal(409, "answered_already", message, param="resolved")


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
        **(_asks(row) if row["kind"] == FIX else {}),
    }


def _asks(row: Mapping[str, Any]) -> dict[str, Any]:
    """Of a fix: which remarks it answers, and what the partner said."""
    return {"feedback": row["feedback_ids"], "resolved": row["resolved"]}


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
