"""Partners that consented, their kept calls, and what they said should have been answered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import islice
from typing import Any

import orjson
from django.conf import settings

from alpha import sealing
from alpha.models import Feedback, Partner, PartnerDataKey, Transcript
from infra import clock
from infra.ids import uuid7
from infra.storage import object_store
from tests.alpha.builders import Access

GRADER = {
    "type": "text_similarity",
    "name": "near",
    "input": "{{sample.output_text}}",
    "reference": "{{item.reference_text}}",
    "evaluation_metric": "fuzzy_match",
}


def data_key(partner: Partner) -> tuple[PartnerDataKey, bytes]:
    """The partner's key, made on first use."""
    found = PartnerDataKey.objects.filter(partner=partner, wrapped_key__isnull=False).first()
    if found is not None and found.wrapped_key is not None:
        wrapped = bytes(found.wrapped_key)
        return found, sealing.unwrap(settings.TRANSCRIPT_KEY, partner.pk, wrapped)
    key, wrapped = sealing.new_data_key(settings.TRANSCRIPT_KEY, partner.pk)
    made = PartnerDataKey.objects.create(
        partner=partner,
        number=PartnerDataKey.objects.filter(partner=partner).count() + 1,
        wrapped_key=wrapped,
        created_at=clock.now(),
    )
    return made, key


def said(question: str, answer: str = "No.", **request: Any) -> dict[str, Any]:
    """What the gateway keeps of a call."""
    asked = [{"role": "user", "content": question}]
    return {
        "request": {"model": "quasar-alpha", "messages": asked, **request},
        "reply": [{"role": "assistant", "content": answer}],
    }


def keep(partner: Partner, request_id: Any, text: dict[str, Any]) -> Transcript:
    """The sealed text of one call."""
    row, key = data_key(partner)
    place = f"transcripts/{partner.pk}/{request_id}"
    object_store().put(place, sealing.seal(key, request_id, orjson.dumps(text)))
    return Transcript.objects.create(
        request_id=request_id,
        partner=partner,
        data_key=row,
        object_key=place,
        stored_at=clock.now(),
        expires_at=clock.now() + timedelta(days=30),
    )


def corrected(
    of: Access, question: str, correction: str, *, text: dict[str, Any] | None = None, **fields: Any
) -> Feedback:
    """A remark with a correction about a kept call."""
    request_id = uuid7()
    keep(of.partner, request_id, text or said(question))
    return Feedback.objects.create(
        partner=of.partner,
        request_id=request_id,
        state="new",
        comment="odd",
        correction=correction,
        checkpoint=of.checkpoint,
        received_at=clock.now(),
        **fields,
    )


def many(of: Access, n: int) -> list[Feedback]:
    """Corrections of as many different questions."""
    return [corrected(of, f"What is {number}?", f"It is {number}.") for number in range(n)]


def bulk(of: Access, n: int, answer: str = "A wrong answer. " * 20) -> None:
    """As many, written in bulk."""
    row, key = data_key(of.partner)
    store, numbers = object_store(), iter(range(n))
    while chunk := list(islice(_numbered(numbers), 2000)):
        made = []
        for number, request_id in chunk:
            place = f"transcripts/{of.partner.pk}/{number % 997}/{request_id}"
            text = orjson.dumps(said(f"Question {number}: what is it? {answer}", answer))
            store.put(place, sealing.seal(key, request_id, text))
            made.append((number, request_id, place))
        _insert(of, row, made)


def _numbered(numbers: Iterator[int]) -> Iterator[tuple[int, Any]]:
    for number in numbers:
        yield number, uuid7()


def _insert(of: Access, row: PartnerDataKey, made: Sequence[tuple[int, Any, str]]) -> None:
    now = clock.now()
    Transcript.objects.bulk_create(
        Transcript(
            request_id=request_id, partner=of.partner, data_key=row, object_key=place,
            stored_at=now, expires_at=now + timedelta(days=30),
        )
        for _, request_id, place in made
    )  # fmt: skip
    Feedback.objects.bulk_create(
        Feedback(
            partner=of.partner, request_id=request_id, state="new", comment="odd",
            correction=f"The right answer to {number} is {number * 7}. Ask ada{number}@x.example.",
            received_at=now,
        )
        for number, request_id, _ in made
    )  # fmt: skip
