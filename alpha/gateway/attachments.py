"""Files that come with feedback: with consent only, sealed as transcripts are."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from hashlib import sha256
from uuid import UUID

from alpha import sealing
from alpha.gateway.errors import SERVER, Refusal
from alpha.gateway.feedback_bodies import Attachment
from alpha.gateway.metering import Served
from alpha.gateway.parts import Parts
from alpha.routing import KeyEntry
from infra import clock
from infra.errors import DomainError

CONNECT_S = 3
# The row comes first: whatever is killed in between, the sweep finds what has to be erased.
ANNOUNCED = """
INSERT INTO feedback_attachment (feedback_id, data_key_id, name, content_type, size_bytes, sha256,
    object_key, expires_at, stored_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, NULL) ON CONFLICT (feedback_id) DO NOTHING
"""
PLACE = """
SELECT a.object_key, k.wrapped_key FROM feedback_attachment a
JOIN partner_data_key k ON k.id = a.data_key_id WHERE a.feedback_id = %s
"""
STORED = """
UPDATE feedback_attachment SET stored_at = %s WHERE feedback_id = %s AND stored_at IS NULL
"""


def days_to_keep(parts: Parts, key: KeyEntry, served: Served | None) -> int:
    """Days for which consent lets a file of this call be kept; Refusal 403, 409."""
    if served is None:
        message = "This call is not known yet: send the attachment again in a second."
        raise Refusal(409, "call_not_landed", message, param="attachment", retry_after=1)
    table, now = parts.tables.table, clock.now()
    held = table.grants.get((key.partner_id, served.stage_id), ()) if table else ()
    days = [
        grant.transcript_days
        for grant in held
        if grant.transcript_consent and grant.is_in_force(now)
    ]
    if not days:
        message = (
            "Files are kept only where your organization has agreed that text is kept. Send the "
            "feedback without it, or ask your contact."
        )
        raise Refusal(403, "no_consent", message, param="attachment")
    return max(days)


async def keep_attachment(
    parts: Parts, key: KeyEntry, feedback_id: UUID, attachment: Attachment, days: int
) -> None:
    """Seal the file under the partner's key and keep it; doing so again changes nothing.

    Refusal 503 when the object store does not take it: the same feedback may be sent again.
    """
    data_key_id, _ = await parts.transcripts.data_key(key.partner_id)
    now = clock.now()
    place = f"attachments/{key.partner_id}/{now:%Y-%m-%d}/{feedback_id}"
    content, digest = attachment.content, sha256(attachment.content).hexdigest()
    row = (feedback_id, data_key_id, attachment.name, attachment.content_type, len(content), digest)
    async with parts.pool.connection(timeout=CONNECT_S) as connection:
        await connection.execute(ANNOUNCED, [*row, place, now + timedelta(days=days)])
        found = await (await connection.execute(PLACE, [feedback_id])).fetchone()
    if found is None or found[1] is None:
        raise _not_kept()
    try:
        data_key = sealing.unwrap(parts.config.transcript_key, key.partner_id, bytes(found[1]))
        sealed = sealing.seal(data_key, feedback_id, content)
        await asyncio.to_thread(parts.config.object_store().put, found[0], sealed)
    except (OSError, DomainError, sealing.Unreadable) as error:
        raise _not_kept() from error
    async with parts.pool.connection(timeout=CONNECT_S) as connection:
        await connection.execute(STORED, [clock.now(), feedback_id])


def _not_kept() -> Refusal:
    return Refusal(
        503,
        "attachment_not_kept",
        "The feedback is kept, its attachment could not be: send both again with the same "
        "idempotency key.",
        kind=SERVER,
        retry_after=5,
    )
