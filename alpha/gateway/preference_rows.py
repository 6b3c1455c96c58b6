"""A partner's side by side in PostgreSQL: drawn, written before it is asked, and voted on once."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from alpha import sides
from alpha.gateway.errors import SERVER, Refusal
from alpha.gateway.parts import Parts
from alpha.gateway.side_by_side import Half
from alpha.routing import KeyEntry
from alpha.states import Choice, PreferenceState
from infra import clock
from infra.ids import uuid7

log = logging.getLogger(__name__)
CONNECT_S = 3
NEWEST = 200
Row = dict[str, Any]

NAMES = "SELECT name FROM checkpoint WHERE id = ANY(%s)"
INSERT = """
INSERT INTO preference_session (id, partner_id, key_id, unit, idempotency_key, stage_id, codename,
    checkpoint_a_id, checkpoint_b_id, release_a_id, release_b_id, arm_a, arm_b,
    request_a, request_b, prompt_digest, state, style_a, style_b, asked_at)
VALUES (%(id)s, %(partner_id)s, %(key_id)s, %(unit)s, %(idempotency_key)s, %(stage_id)s,
    %(codename)s, %(checkpoint_a)s, %(checkpoint_b)s, %(release_a)s, %(release_b)s, %(arm_a)s,
    %(arm_b)s, %(request_a)s, %(request_b)s, %(prompt_digest)s, 'asked', '{}', '{}', %(asked_at)s)
ON CONFLICT (partner_id, idempotency_key) WHERE idempotency_key <> '' DO NOTHING
"""
# Both are there: from now on a vote is taken.
READY = """
UPDATE preference_session SET state = 'ready', style_a = %(style_a)s, style_b = %(style_b)s,
    answered_at = %(answered_at)s
WHERE id = %(id)s AND state = 'asked'
"""
# What came to nothing may be asked again under the same key.
VOID = """
UPDATE preference_session SET state = 'void', idempotency_key = '' WHERE id = %s AND state = 'asked'
"""
_SHOWN = """
SELECT s.id, s.codename, s.state, s.asked_at, s.arm_a, s.arm_b, v.choice, v.comment, v.voted_at
FROM preference_session s LEFT JOIN preference_vote v ON v.session_id = s.id
WHERE s.partner_id = %s
"""
BY_ID = f"{_SHOWN} AND s.id = %s"
BY_KEY = f"{_SHOWN} AND s.idempotency_key = %s"
LIST = f"{_SHOWN} ORDER BY s.asked_at DESC, s.id DESC LIMIT {NEWEST}"
VOTE = """
INSERT INTO preference_vote (id, session_id, choice, comment, voted_at)
VALUES (%(id)s, %(session)s, %(choice)s, %(comment)s, %(voted_at)s)
"""
VOTED = "UPDATE preference_session SET state = 'voted' WHERE id = %s"
CLOSED = {
    PreferenceState.ASKED: "The answers are not there yet: vote when you have seen both.",
    PreferenceState.REVEALED: "It was told which version gave which answer: no vote is taken now.",
    PreferenceState.VOID: "These answers were never complete, or waited too long: ask again.",
}


def drawn(parts: Parts, key: KeyEntry, halves: Sequence[Half], idempotency_key: str) -> Row:
    """A new session's row; which half is A is drawn here, and `places` holds them so."""
    places = sides.in_places(bool(secrets.randbits(1)), halves)
    fields: Row = {}
    for place, half in zip("ab", places, strict=True):
        release = half.route.release
        fields |= {
            f"checkpoint_{place}": release.checkpoint.id,
            f"release_{place}": release.id,
            f"arm_{place}": release.arm.value,
            f"request_{place}": half.answer.request_id,
        }
    route, asked = places[0].route, places[0].operation.forwarded
    return {
        **fields,
        "places": places,
        "id": uuid7(),
        "partner_id": key.partner_id,
        "key_id": key.id,
        "unit": route.unit,
        "idempotency_key": idempotency_key,
        "stage_id": route.release.stage_id,
        "codename": route.codename.name,
        "prompt_digest": sides.prompt_digest(parts.config.unit_secret, asked),
        "asked_at": clock.now(),
    }


async def write(parts: Parts, session: Row) -> list[str]:
    """Write it, and learn the names that its answers must not say. Refusal 409 for a repeat."""
    given = {name: value for name, value in session.items() if name != "places"}
    checkpoints = [half.route.release.checkpoint for half in session["places"]]
    try:
        async with parts.pool.connection(timeout=CONNECT_S) as connection:
            cursor = await connection.execute(INSERT, given)
            if not cursor.rowcount:
                raise await _repeated(connection, session)
            found = await connection.execute(NAMES, [[of.id for of in checkpoints]])
            names = [row[0] for row in await found.fetchall()]
    except psycopg.OperationalError as error:
        raise away() from error
    return names + [place.upstream_model for of in checkpoints for place in of.deployments]


async def make_ready(parts: Parts, session: Row, shown: Sequence[Mapping[str, Any]]) -> None:
    """Both answers are there; Refusal 503."""
    style_a, style_b = (sides.style_of(answer) for answer in shown)
    given = {"id": session["id"], "style_a": style_a, "style_b": style_b}
    try:
        async with parts.pool.connection(timeout=CONNECT_S) as connection:
            await connection.execute(READY, {**given, "answered_at": clock.now()})
    except psycopg.OperationalError as error:
        raise away() from error


async def make_void(parts: Parts, session: Row) -> None:
    """It came to nothing."""
    try:
        async with parts.pool.connection(timeout=CONNECT_S) as connection:
            await connection.execute(VOID, [session["id"]])
    except psycopg.OperationalError as error:
        # The sweep of those that wait too long finds it.
        log.warning("side by side %s is not void yet: %s", session["id"], error)


async def own_session(parts: Parts, key: KeyEntry, identifier: UUID | None) -> Row | None:
    """One of the partner's own; None when there is none, or another's."""
    rows = await _read(parts, BY_ID, [key.partner_id, identifier])
    return rows[0] if rows else None


async def own_sessions(parts: Parts, key: KeyEntry) -> list[Row]:
    """The partner's newest."""
    return await _read(parts, LIST, [key.partner_id])


async def keep_vote(
    parts: Parts, key: KeyEntry, identifier: UUID | None, choice: Choice, comment: str
) -> Row | None:
    """The session with its vote, given now or before; None: no own session. Refusal 409, 503."""
    try:
        async with parts.pool.connection(timeout=CONNECT_S) as connection:
            async with connection.transaction():
                # Locked: of two votes at once the second sees the first.
                wanted = [key.partner_id, identifier]
                rows = await _rows(connection, f"{BY_ID} FOR UPDATE OF s", wanted)
                if not rows:
                    return None
                # The second statement sees what was committed while the first one waited.
                (row,) = await _rows(connection, BY_ID, wanted)
                return await _voted(connection, row, choice, comment)
    except psycopg.OperationalError as error:
        raise away() from error


async def _voted(
    connection: psycopg.AsyncConnection[Any], row: Row, choice: Choice, comment: str
) -> Row:
    if row["choice"] is None and row["state"] == PreferenceState.READY.value:
        given = {"choice": choice.value, "comment": comment, "voted_at": clock.now()}
        await connection.execute(VOTE, {**given, "id": uuid7(), "session": row["id"]})
        await connection.execute(VOTED, [row["id"]])
        return {**row, **given, "state": PreferenceState.VOTED.value}
    if row["choice"] is None:
        raise Refusal(409, f"is_{row['state']}", CLOSED[PreferenceState(row["state"])])
    if row["choice"] != choice.value or row["comment"] != comment:
        raise Refusal(
            409,
            "voted_already",
            f"You voted '{row['choice']}', and a vote is not changed: the first look is the one "
            "that was blind.",
            param="choice",
        )
    return row


async def _repeated(connection: psycopg.AsyncConnection[Any], session: Row) -> Refusal:
    wanted = [session["partner_id"], session["idempotency_key"]]
    rows = await _rows(connection, BY_KEY, wanted)
    which = f" for {rows[0]['id']}" if rows else ""
    return Refusal(
        409,
        "asked_already",
        f"This idempotency key was used{which}, and answers are sent once. Vote on that one, or "
        "ask again with a new key.",
        param="idempotency_key",
    )


async def _read(parts: Parts, statement: str, values: list[Any]) -> list[Row]:
    try:
        async with parts.pool.connection(timeout=CONNECT_S) as connection:
            return await _rows(connection, statement, values)
    except psycopg.OperationalError as error:
        raise away() from error


async def _rows(
    connection: psycopg.AsyncConnection[Any], statement: str, values: list[Any]
) -> list[Row]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(statement, values)
        return await cursor.fetchall()


def away() -> Refusal:
    """While something that a comparison needs can't be reached."""
    return Refusal(
        503,
        "preferences_unavailable",
        "Two answers can't be compared at the moment. Try again.",
        kind=SERVER,
        retry_after=5,
    )
