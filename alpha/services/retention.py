"""Text that has outlived its consent is erased: the object first, then its row."""

from __future__ import annotations

from alpha.models import FeedbackAttachment, Transcript
from infra import clock
from infra.storage import object_store

BATCH = 500


def erase_expired_transcripts() -> int:
    """Erase at most a batch; the number erased.

    Safe to run twice: a row whose object is gone already is deleted all the same, so a sweep that
    was killed between the two leaves nothing behind.
    """
    expired = Transcript.objects.filter(expires_at__lte=clock.now()).order_by("expires_at")
    rows, store = list(expired[:BATCH]), object_store()
    for row in rows:
        store.delete(row.object_key)
        row.delete()
    return len(rows)


def erase_expired_attachments() -> int:
    """As `erase_expired_transcripts`, of the files that came with feedback."""
    expired = FeedbackAttachment.objects.filter(expires_at__lte=clock.now()).order_by("expires_at")
    rows, store = list(expired[:BATCH]), object_store()
    for row in rows:
        store.delete(row.object_key)
        row.delete()
    return len(rows)
