"""Kept text ends when its consent does."""

from __future__ import annotations

from datetime import timedelta

import pytest

from alpha.models import PartnerDataKey, Transcript
from alpha.services.retention import erase_expired_transcripts
from infra import clock
from infra.ids import uuid7
from infra.storage import object_store
from tests.alpha import builders as alpha_builders

pytestmark = pytest.mark.django_db


def transcript(days: int, *, stored: bool = True) -> Transcript:
    partner = alpha_builders.Partner.objects.get()
    data_key, _ = PartnerDataKey.objects.get_or_create(partner=partner, number=1)
    request_id = uuid7()
    object_key = f"transcripts/{request_id}"
    if stored:
        object_store().put(object_key, b"sealed")
    return Transcript.objects.create(
        request_id=request_id,
        partner=partner,
        data_key=data_key,
        object_key=object_key,
        stored_at=clock.now(),
        expires_at=clock.now() + timedelta(days=days),
    )


def test_text_is_erased_with_its_object_when_it_expires() -> None:
    alpha_builders.access()
    kept, gone = transcript(60), transcript(30)
    with clock.moved_by(timedelta(days=31)):
        assert erase_expired_transcripts() == 1
        assert erase_expired_transcripts() == 0
    assert list(object_store().keys()) == [kept.object_key]
    assert not Transcript.objects.filter(pk=gone.pk).exists()


def test_a_sweep_that_was_killed_after_the_object_is_finished_by_the_next() -> None:
    alpha_builders.access()
    transcript(1, stored=False)
    with clock.moved_by(timedelta(days=2)):
        assert erase_expired_transcripts() == 1
    assert not Transcript.objects.exists()
