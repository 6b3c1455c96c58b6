"""Reads the kept text of a call again, for those who work on feedback."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import orjson
from django.conf import settings

from alpha import sealing
from alpha.models import Transcript
from infra import clock
from infra.errors import NotFound
from infra.storage import ObjectMissing, object_store


def read_transcript(request_id: UUID) -> dict[str, Any]:
    """What was said: `{"request": {...}, "reply": {...}}`; NotFound without consent or by now.

    `request` is the client's own body less what names its users; `reply` is a list of messages,
    one for each choice. `sealing.Unreadable` when the stored bytes were changed.
    """
    row = (
        Transcript.objects.select_related("data_key")
        .filter(request_id=request_id, expires_at__gt=clock.now())
        .first()
    )
    if row is None or row.data_key.wrapped_key is None:
        raise NotFound(
            "no_transcript",
            f"No text is kept of call {request_id}: its partner did not consent, or it was erased.",
        )
    key = sealing.unwrap(settings.TRANSCRIPT_KEY, row.partner_id, bytes(row.data_key.wrapped_key))
    try:
        sealed = object_store().get(row.object_key)
    except ObjectMissing:
        raise NotFound("no_transcript", f"The text of call {request_id} was erased.") from None
    return orjson.loads(sealing.unseal(key, request_id, sealed))
