"""`/v1/preferences`: a partner asks with its own prompt, sees two answers, and says which is best.

Which version gave which answer is drawn here, written down, and told to nobody before a person of
the house reveals it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from alpha import sides
from alpha.gateway import preference_rows, side_by_side
from alpha.gateway.chat import Chat
from alpha.gateway.errors import ClientGone, Refusal
from alpha.gateway.fields import invalid
from alpha.gateway.lifetime import lifetime_headers
from alpha.gateway.parts import Parts
from alpha.gateway.preference_rows import Row
from alpha.gateway.side_by_side import Half
from alpha.gateway.wire import Call
from alpha.routing import KeyEntry, Table, unit_of
from alpha.states import Choice, PreferenceState
from infra import clock

log = logging.getLogger(__name__)
VOTE_BYTES = 128 * 1024
LONGEST_COMMENT = 20_000
LONGEST_KEY = 200
KEY_FIELD, KEY_HEADER = "idempotency_key", b"idempotency-key"
SESSION = b"x-slipway-session"
# Both answers come together and whole; token probabilities would tell a version.
NOT_TAKEN = ("stream", "stream_options", "n", "logprobs", "top_logprobs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A checked body: what a chat takes, and the key of a repeat."""

    body: Mapping[str, Any]
    chat: Chat
    idempotency_key: str

    @property
    def codename(self) -> str:
        return self.chat.codename


async def ask(parts: Parts, call: Call, table: Table, key: KeyEntry) -> None:
    """Answer with two answers, in an order that was drawn for this session alone."""
    config = parts.config
    sent = await call.json_object(config.body_limit_bytes, config.body_patience_s)
    question = question_of(sent, call.header(KEY_HEADER))
    unit = _unit(parts, call, key, question)
    routes = side_by_side.both_routes(table, key, question.codename, unit)
    halves = [Half(route, question.body) for route in routes]
    call.lifetime = lifetime_headers(routes[0].codename, clock.now())
    call.rates = await side_by_side.admitted(parts, halves)
    session = preference_rows.drawn(parts, key, halves, question.idempotency_key)
    try:
        names = await preference_rows.write(parts, session)
    except BaseException:
        await side_by_side.given_back(parts, halves)
        raise
    try:
        answers = await _answers(parts, call, session, halves, names)
    except (Refusal, ClientGone):
        await preference_rows.make_void(parts, session)
        raise
    await call.reply(200, orjson.dumps({**_new(session), "answers": answers}))


async def show(parts: Parts, call: Call, key: KeyEntry, text: str) -> None:
    """Where one of the partner's own sessions stands; its answers were sent once."""
    row = await preference_rows.own_session(parts, key, _uuid(text))
    if row is None:
        raise _not_found(text)
    await call.reply(200, orjson.dumps(_shown(row)))


async def list_sessions(parts: Parts, call: Call, key: KeyEntry) -> None:
    """The partner's own sessions, newest first."""
    rows = await preference_rows.own_sessions(parts, key)
    body = {"object": "list", "data": [_shown(row) for row in rows]}
    await call.reply(200, orjson.dumps(body))


async def vote(parts: Parts, call: Call, key: KeyEntry, text: str) -> None:
    """Keep the partner's vote; the same one again changes nothing, another is refused."""
    choice, comment = vote_of(await call.json_object(VOTE_BYTES, parts.config.body_patience_s))
    row = await preference_rows.keep_vote(parts, key, _uuid(text), choice, comment)
    if row is None:
        raise _not_found(text)
    await call.reply(200, orjson.dumps(_shown(row)))


def question_of(sent: Mapping[str, Any], header: str) -> Question:
    """The body of a question; Refusal 400 that names the field in `param`."""
    body = dict(sent)
    idempotency_key = body.pop(KEY_FIELD, None) or header
    if not isinstance(idempotency_key, str) or not _is_text(idempotency_key, LONGEST_KEY):
        text = f"'{KEY_FIELD}' must be text of up to {LONGEST_KEY} characters."
        raise invalid(KEY_FIELD, text)
    for name in NOT_TAKEN:
        if body.pop(name, None) not in (None, False):
            raise Refusal(
                400,
                "unknown_parameter",
                f"'{name}' is not taken here: one answer of each version is shown, whole.",
                param=name,
            )
    # Every other field is checked as the chat endpoint does.
    return Question(body=body, chat=Chat(body), idempotency_key=idempotency_key)


def vote_of(body: Mapping[str, Any]) -> tuple[Choice, str]:
    """The body of a vote; Refusal 400 that names the field in `param`."""
    for name in body:
        if name not in ("choice", "comment"):
            raise Refusal(
                400, "unknown_parameter", f"Unknown parameter: '{name[:100]}'.", param=name[:100]
            )
    choices = [choice.value for choice in Choice]
    if body.get("choice") not in choices:
        raise invalid("choice", f"'choice' must be one of {', '.join(choices)}.")
    comment = body.get("comment") or ""
    if not isinstance(comment, str) or not _is_text(comment, LONGEST_COMMENT):
        text = f"'comment' must be text of up to {LONGEST_COMMENT:,} characters."
        raise invalid("comment", text)
    return Choice(body["choice"]), comment


def _is_text(value: str, longest: int) -> bool:
    return len(value) <= longest and "\0" not in value


def _unit(parts: Parts, call: Call, key: KeyEntry, question: Question) -> str:
    names = (question.chat.safety_identifier, question.chat.user, call.header(SESSION)[:512])
    return unit_of(parts.config.unit_secret, key.partner_id, names, key.id)


async def _answers(
    parts: Parts, call: Call, session: Row, halves: list[Half], names: list[str]
) -> dict[str, Any]:
    """Both answers, in their places; Refusal or ClientGone when one of them is not to be had."""
    try:
        side_by_side.begin(parts, halves)
    except OSError as error:
        log.error("no side by side can be metered: %s", error)
        await side_by_side.given_back(parts, halves)
        raise preference_rows.away() from error
    await side_by_side.answered(parts, call, halves)
    shown = [sides.shown_answer(half.said(), names) for half in session["places"]]
    await preference_rows.make_ready(parts, session, shown)
    return dict(zip("ab", shown, strict=True))


def _new(session: Mapping[str, Any]) -> dict[str, Any]:
    unvoted = {"choice": None, "voted_at": None, "state": PreferenceState.READY.value}
    return _shown({**session, **unvoted})


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    voted_at = row["voted_at"]
    is_revealed = row["state"] == PreferenceState.REVEALED.value
    return {
        "id": row["id"],
        "object": "preference",
        "model": row["codename"],
        "state": row["state"],
        "created_at": int(row["asked_at"].timestamp()),
        "choice": row["choice"],
        "voted_at": int(voted_at.timestamp()) if voted_at else None,
        # The arms alone: a partner is never told a checkpoint.
        "revealed": {"a": row["arm_a"], "b": row["arm_b"]} if is_revealed else None,
    }


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _not_found(text: str) -> Refusal:
    return Refusal(404, "preference_not_found", f"No side by side '{text[:100]}'.", param="id")
