"""The keys that partners' text is encrypted with: rotated, and dropped, which erases.

A new key seals what comes from now on. Text under the one before stays readable, and is sealed
anew in batches; a key that no text is under any more is dropped an hour later.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Exists, OuterRef, QuerySet

from alpha import sealing
from alpha.models import FeedbackAttachment, Partner, PartnerDataKey, Transcript
from infra import audit, clock
from infra.actors import Actor
from infra.errors import InvalidInput, InvalidMove
from infra.roles import Role, Scope
from infra.storage import ObjectMissing, ObjectStore, object_store

log = logging.getLogger(__name__)
BATCH = 200
# A gateway worker may have begun to keep a text under the key that was in force until now.
GRACE = timedelta(hours=1)
NEWER = PartnerDataKey.objects.filter(
    partner=OuterRef("partner"), number__gt=OuterRef("number"), dropped_at=None
)


def rotate_data_key(*, actor: Actor, partner: Partner, reason: str) -> PartnerDataKey:
    """A new key for the partner's text; InvalidMove where no text was ever kept."""
    actor.must("rotate data keys", Role.PARTNER_MANAGER, Role.RELEASE_MANAGER, scope=Scope.PARTNERS)
    _need(reason)
    with transaction.atomic():
        current = _locked_keys(partner).first()
        if current is None:
            raise _no_key(partner)
        _, wrapped = sealing.new_data_key(settings.TRANSCRIPT_KEY, partner.pk)
        # Dropped ones keep their numbers.
        last = PartnerDataKey.objects.filter(partner=partner).order_by("-number").first()
        number = (last or current).number + 1
        made = PartnerDataKey.objects.create(partner=partner, number=number, wrapped_key=wrapped)
        n_texts = Transcript.objects.filter(partner=partner).count()
        audit.record(
            actor=actor,
            action="data_key.rotated",
            subject=made,
            reason=reason,
            before={"number": current.number},
            after={"partner": partner.name, "number": number, "texts_to_seal_anew": n_texts},
        )
    return made


def drop_data_keys(*, actor: Actor, partner: Partner, reason: str) -> int:
    """Erase all text that was kept of the partner, and the files that came with its feedback.

    How many texts that was.
    At once and for good: without its key nobody reads a text again. The sealed objects go with
    the next sweep. The partner's next text gets a new key.
    """
    actor.must("erase partners' text", Role.PARTNER_MANAGER, Role.RELEASE_MANAGER)
    _need(reason)
    with transaction.atomic():
        keys = list(_locked_keys(partner))
        if not keys:
            raise _no_key(partner)
        ids = [key.pk for key in keys]
        n_texts = Transcript.objects.filter(data_key__in=ids).count()
        n_files = FeedbackAttachment.objects.filter(data_key__in=ids).count()
        dropped = {"wrapped_key": None, "dropped_at": clock.now()}
        PartnerDataKey.objects.filter(pk__in=ids).update(**dropped)
        audit.record(
            actor=actor,
            action="data_key.dropped",
            subject=partner,
            reason=reason,
            after={
                "numbers": sorted(key.number for key in keys),
                "texts_erased": n_texts,
                "attachments_erased": n_files,
            },
        )
    return n_texts


def data_keys_of(partner: Partner) -> QuerySet[PartnerDataKey]:
    """The partner's keys, newest first, each with `n_texts`."""
    kept = PartnerDataKey.objects.filter(partner=partner).annotate(n_texts=Count("transcript"))
    return kept.order_by("-number")


def seal_anew() -> int:
    """Put at most a batch of texts under their partners' newest keys; how many.

    Safe to be killed and to run twice at once: a text's row names the object and the key that
    belong together, and is moved only once the new object lies there.
    """
    superseded = PartnerDataKey.objects.filter(Exists(NEWER), dropped_at=None)
    store, n_sealed = object_store(), 0
    for old in superseded.order_by("created_at"):
        n_sealed += _seal_texts_of(old, store, BATCH - n_sealed)
        _drop_if_unused(old)
        if n_sealed >= BATCH:
            break
    return n_sealed


def _seal_texts_of(old: PartnerDataKey, store: ObjectStore, at_most: int) -> int:
    newest = PartnerDataKey.objects.filter(partner=old.partner_id, dropped_at=None).latest("number")
    try:
        keys = (_opened(old), _opened(newest))
    except sealing.Unreadable:
        log.error("data key %s can't be opened: is SLIPWAY_TRANSCRIPT_KEY another one?", old.pk)
        return 0
    n_sealed, rows = 0, Transcript.objects.filter(data_key=old).order_by("pk")
    for row in rows.iterator(chunk_size=BATCH):
        if n_sealed >= at_most:
            break
        n_sealed += _seal_text(row, newest, keys, store)
    return n_sealed


def _seal_text(
    row: Transcript, newest: PartnerDataKey, keys: tuple[bytes, bytes], store: ObjectStore
) -> bool:
    """Whether the text is under the new key now."""
    as_read = Transcript.objects.filter(pk=row.pk, object_key=row.object_key)
    try:
        text = sealing.unseal(keys[0], row.request_id, store.get(row.object_key))
    except ObjectMissing:
        as_read.delete()
        return False
    except sealing.Unreadable:
        log.error("the kept text of call %s was changed: it stays under its old key", row.pk)
        return False
    place = place_under(row.object_key, newest.number)
    store.put(place, sealing.seal(keys[1], row.request_id, text))
    moved = as_read.update(object_key=place, data_key=newest)
    if not moved and not Transcript.objects.filter(pk=row.pk).exists():
        # Erased meanwhile: what was put just now must not outlive it.
        store.delete(place)
        return False
    store.delete(row.object_key)
    return bool(moved)


def _drop_if_unused(old: PartnerDataKey) -> None:
    cutoff = clock.now() - GRACE
    with transaction.atomic():
        row = PartnerDataKey.objects.select_for_update().get(pk=old.pk)
        newer = PartnerDataKey.objects.filter(partner=row.partner_id, number__gt=row.number)
        is_settled = newer.filter(created_at__lt=cutoff, dropped_at=None).exists()
        if row.dropped_at or not is_settled or _is_used(row):
            return
        row.wrapped_key, row.dropped_at = None, clock.now()
        row.save(update_fields=["wrapped_key", "dropped_at"])


def _is_used(key: PartnerDataKey) -> bool:
    """Files that came with feedback are not sealed anew: their key stays as long as they."""
    under = {"data_key": key}
    return (
        Transcript.objects.filter(**under).exists()
        or FeedbackAttachment.objects.filter(**under).exists()
    )


def place_under(object_key: str, number: int) -> str:
    """Where a text lies that was sealed anew under the key of that number."""
    return f"{object_key.partition('.')[0]}.{number}"


def places_of(object_key: str, last_number: int) -> list[str]:
    """Everywhere that a text may lie, be it by a sweep that was killed in the middle."""
    first = object_key.partition(".")[0]
    return [first, *(place_under(first, number) for number in range(2, last_number + 1))]


def last_numbers(partner_ids: set[UUID]) -> dict[UUID, int]:
    """The number of each partner's newest key, dropped ones too."""
    kept = PartnerDataKey.objects.filter(partner__in=partner_ids).order_by("number")
    return dict(kept.values_list("partner_id", "number"))


def _opened(key: PartnerDataKey) -> bytes:
    wrapped = bytes(key.wrapped_key or b"")
    return sealing.unwrap(settings.TRANSCRIPT_KEY, key.partner_id, wrapped)


def _locked_keys(partner: Partner) -> QuerySet[PartnerDataKey]:
    """The keys in use, newest first; nobody else rotates or drops until the transaction ends."""
    Partner.objects.select_for_update(no_key=True).get(pk=partner.pk)
    return PartnerDataKey.objects.filter(partner=partner, dropped_at=None).order_by("-number")


def _no_key(partner: Partner) -> InvalidMove:
    return InvalidMove(
        "no_data_key",
        f"No text is kept of {partner}: its first call with transcript consent makes the key.",
    )


def _need(reason: str) -> None:
    if not reason.strip():
        raise InvalidInput("reason_missing", "Say why: the partner and the auditor will ask.")
