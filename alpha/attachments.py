"""Reads a file that came with feedback again, for those who work on it."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings

from alpha import sealing
from alpha.models import FeedbackAttachment
from infra import clock
from infra.errors import NotFound
from infra.storage import ObjectMissing, object_store


def read_attachment(feedback_id: UUID) -> tuple[FeedbackAttachment, bytes]:
    """The row and its bytes; NotFound without one or by now.

    `sealing.Unreadable` when the stored bytes were changed.
    """
    row = (
        FeedbackAttachment.objects.select_related("data_key")
        .filter(feedback_id=feedback_id, stored_at__isnull=False, expires_at__gt=clock.now())
        .first()
    )
    missing = NotFound("no_attachment", f"No file is kept with feedback {feedback_id}.")
    if row is None or row.data_key.wrapped_key is None:
        raise missing
    wrapped = bytes(row.data_key.wrapped_key)
    key = sealing.unwrap(settings.TRANSCRIPT_KEY, row.data_key.partner_id, wrapped)
    try:
        sealed = object_store().get(row.object_key)
    except ObjectMissing:
        raise missing from None
    return row, sealing.unseal(key, feedback_id, sealed)
