"""Feedback that answers a notice: its partner has looked again, and says whether it is gone."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg

from alpha.gateway.errors import Refusal
from alpha.gateway.feedback_bodies import Remark
from alpha.gateway.metering import Served
from alpha.gateway.notices import FIX
from alpha.routing import KeyEntry

ASKED = """
SELECT n.kind, r.codenames, f.fixed_in_id FROM notice_recipient r
JOIN notice n ON n.id = r.notice_id LEFT JOIN finding f ON f.id = n.finding_id
WHERE r.partner_id = %s AND r.notice_id = %s
"""
# The first word counts, whichever way it came; the database refuses a second one too.
ANSWER = """
UPDATE notice_recipient SET resolved = %s, answer = %s, answered_at = %s, answered_in_id = %s,
    acknowledged_at = coalesce(acknowledged_at, %s),
    acknowledged_with_id = coalesce(acknowledged_with_id, %s)
WHERE partner_id = %s AND notice_id = %s AND answered_at IS NULL
"""


async def answer_notice(
    connection: psycopg.AsyncConnection[Any],
    key: KeyEntry,
    remark: Remark,
    served: Served | None,
    feedback_id: UUID,
    now: datetime,
) -> None:
    """Take the remark, just kept in this transaction, for the answer to the notice it names.

    Refusals, after which nothing is kept: 404 for no notice of the partner's, 400 for one that
    asks nothing, 409 for one that was answered, and for a call that the fix did not answer.
    """
    cursor = await connection.execute(ASKED, [key.partner_id, remark.notice])
    row = await cursor.fetchone()
    if row is None:
        message = f"No notice '{remark.notice}'."
        raise Refusal(404, "notice_not_found", message, param="notice")
    kind, codenames, fixed_in = row
    if kind != FIX:
        message = "This notice asks nothing: send the feedback without 'notice'."
        raise Refusal(400, "invalid_value", message, param="notice")
    _must_be_of_the_fix(served, fixed_in, codenames)
    said = remark.said
    answered = await connection.execute(
        ANSWER,
        [
            *(said["thumbs_up"], said.get("comment", ""), now, feedback_id, now, key.id),
            *(key.partner_id, remark.notice),
        ],
    )
    if not answered.rowcount:
        message = "This notice was answered before. Send the feedback without 'notice'."
        raise Refusal(409, "answered_already", message, param="notice")


def _must_be_of_the_fix(served: Served | None, fixed_in: UUID | None, codenames: list[str]) -> None:
    """A finding that was opened again names no fix: such an answer is kept, and moves nothing."""
    if served is None:
        message = "This call is not known yet: send the feedback again in a second."
        raise Refusal(409, "call_not_landed", message, param="request_id", retry_after=1)
    if fixed_in is not None and served.checkpoint_id != fixed_in:
        name = codenames[0] if codenames else "it"
        message = (
            f"This call was not answered by what has the fix: call {name} again, and send feedback "
            "about that call."
        )
        raise Refusal(409, "not_the_fix", message, param="request_id")
