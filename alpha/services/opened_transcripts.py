"""Kept text of partners opened for a machine's work, and what that work makes of it sealed again.

Whatever is made from a partner's text is sealed under the partner's own key: when the key is
dropped it is gone as well, and once the text has outlived its consent nobody may open it here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from django.conf import settings
from django.db.models import Q

from alpha import sealing
from alpha.models import Transcript, UsageEvent
from alpha.services.transcripts import READERS
from alpha.states import UsageState
from alpha.transcripts import read_transcript
from infra import clock
from infra.actors import Actor
from infra.errors import DomainError, NotFound

ENDPOINTS = ("chat/completions", "responses", "completions")


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedTranscript:
    """The text of one call, and the key under which whatever is made of it is sealed."""

    text: dict[str, Any] = field(repr=False)
    key: bytes = field(repr=False)

    def seal(self, name: UUID, made: Any) -> bytes:
        """JSON made of the text, sealed; it opens under the same name only."""
        return sealing.seal(self.key, name, orjson.dumps(made))


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptCall:
    """A call whose text is kept; the newest of its unit."""

    request_id: UUID
    partner_id: UUID
    unit: str
    started_at: datetime


def kept_calls(
    stage_id: UUID, since: datetime, until: datetime, checkpoint_id: UUID | None = None
) -> list[KeptCall]:
    """Answered calls of the stage in [since, until) whose text may be read now, one a unit.

    Of a unit's calls the newest counts: it holds the whole conversation. A grant that no longer
    consents leaves its calls out.
    """
    readable = Transcript.objects.filter(
        expires_at__gt=clock.now(), data_key__wrapped_key__isnull=False
    )
    wanted = Q(stage=stage_id, started_at__gte=since, started_at__lt=until)
    if checkpoint_id is not None:
        wanted &= Q(checkpoint=checkpoint_id)
    rows = (
        UsageEvent.objects.filter(
            wanted,
            month__gte=since.date().replace(day=1),
            state=UsageState.SUCCEEDED.value,
            endpoint__in=ENDPOINTS,
            grant__transcript_consent=True,
            grant__revoked_at=None,
            request_id__in=readable.values("request_id"),
        )
        .order_by("partner_id", "unit", "-started_at", "request_id")
        .distinct("partner_id", "unit")
        .values_list("request_id", "partner_id", "unit", "started_at")
    )
    names = ("request_id", "partner_id", "unit", "started_at")
    return [KeptCall(**dict(zip(names, row, strict=True))) for row in rows]


def open_transcript(request_id: UUID) -> OpenedTranscript:
    """The call's text with its partner's key; NotFound once it was erased.

    DomainError when the stored bytes are not what was sealed.
    """
    try:
        return OpenedTranscript(text=read_transcript(request_id), key=_key_of(request_id))
    except sealing.Unreadable as error:
        message = f"The kept text of call {request_id} was changed and can't be read."
        raise DomainError("transcript_damaged", message) from error


def unseal_made(*, actor: Actor, request_id: UUID, name: UUID, sealed: bytes) -> Any:
    """What was made of the call's text, for those who may read that text; NotFound once erased."""
    actor.must("read partners' conversations", *READERS)
    try:
        return orjson.loads(sealing.unseal(_key_of(request_id), name, sealed))
    except sealing.Unreadable as error:
        message = f"What was made of call {request_id} was changed, or its partner's key is gone."
        raise DomainError("transcript_damaged", message) from error


def _key_of(request_id: UUID) -> bytes:
    row = (
        Transcript.objects.select_related("data_key")
        .filter(request_id=request_id, expires_at__gt=clock.now())
        .first()
    )
    if row is None or row.data_key.wrapped_key is None:
        message = f"No text is kept of call {request_id}: it was erased."
        raise NotFound("no_transcript", message)
    return sealing.unwrap(settings.TRANSCRIPT_KEY, row.partner_id, bytes(row.data_key.wrapped_key))
