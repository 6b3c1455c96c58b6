"""Text that has outlived its consent or its key is erased: the object first, then its row."""

from __future__ import annotations

from alpha.models import FeedbackAttachment, Transcript
from alpha.services.data_keys import last_numbers, places_of
from infra import clock
from infra.storage import object_store

BATCH = 500


def erase_expired_transcripts() -> int:
    """Erase at most a batch; the number erased.

    Safe to run twice: a row whose object is gone already is deleted all the same, so a sweep that
    was killed between the two leaves nothing behind.
    """
    expired = Transcript.objects.filter(expires_at__lte=clock.now()).order_by("expires_at")
    keyless = Transcript.objects.filter(data_key__dropped_at__isnull=False)
    rows, store = list(expired[:BATCH]) or list(keyless[:BATCH]), object_store()
    last = last_numbers({row.partner_id for row in rows})
    for row in rows:
        for place in {row.object_key, *places_of(row.object_key, last[row.partner_id])}:
            store.delete(place)
        row.delete()
    return len(rows)


def erase_expired_attachments() -> int:
    """As `erase_expired_transcripts`, of the files that came with feedback."""
    expired = FeedbackAttachment.objects.filter(expires_at__lte=clock.now()).order_by("expires_at")
    keyless = FeedbackAttachment.objects.filter(data_key__dropped_at__isnull=False)
    rows, store = list(expired[:BATCH]) or list(keyless[:BATCH]), object_store()
    for row in rows:
        store.delete(row.object_key)
        row.delete()
    return len(rows)
