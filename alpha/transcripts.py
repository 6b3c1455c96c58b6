"""Reads the kept text of a call again, for those who work on feedback."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
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
        if Transcript.objects.filter(pk=row.pk).exclude(object_key=row.object_key).exists():
            # It was sealed anew between the two looks.
            return read_transcript(request_id)
        raise NotFound("no_transcript", f"The text of call {request_id} was erased.") from None
    return orjson.loads(sealing.unseal(key, request_id, sealed))


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What is kept of many calls, as read_transcript gives it; calls without text are absent."""

    texts: dict[UUID, dict[str, Any]]
    damaged: frozenset[UUID]
    """Calls whose stored bytes were changed."""


def read_transcripts(request_ids: Collection[UUID]) -> Kept:
    """As read_transcript for many calls: one query, and one reading of the store."""
    found = list(
        Transcript.objects.filter(
            request_id__in=request_ids,
            expires_at__gt=clock.now(),
            data_key__wrapped_key__isnull=False,
        ).values_list("request_id", "partner_id", "object_key", "data_key__wrapped_key")
    )
    sealed = object_store().get_many({place for _, _, place, _ in found})
    keys: dict[bytes, bytes] = {}
    texts, damaged = {}, set()
    for request_id, partner_id, place, stored in found:
        if place not in sealed:
            continue
        wrapped = bytes(stored)
        if wrapped not in keys:
            keys[wrapped] = sealing.unwrap(settings.TRANSCRIPT_KEY, partner_id, wrapped)
        try:
            text = sealing.unseal(keys[wrapped], request_id, sealed[place])
        except sealing.Unreadable:
            damaged.add(request_id)
        else:
            texts[request_id] = orjson.loads(text)
    return Kept(texts=texts, damaged=frozenset(damaged))
