"""Data keys of partners' text: rotated without losing a word, dropped without leaving one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import orjson
import pytest
from django.conf import settings
from django.core.management import call_command

from alpha import sealing
from alpha.models import (
    Feedback,
    FeedbackAttachment,
    Key,
    Partner,
    PartnerDataKey,
    Transcript,
)
from alpha.services import data_keys
from alpha.services.retention import erase_expired_attachments, erase_expired_transcripts
from alpha.transcripts import read_transcript
from infra import clock
from infra.errors import InvalidInput, InvalidMove, NotFound, NotPermitted
from infra.ids import uuid7
from infra.models import AuditEntry
from infra.storage import object_store
from tests import builders
from tests.alpha import builders as alpha_builders
from tests.alpha.builders import ACTOR
from tests.clients import signed_in

pytestmark = pytest.mark.django_db
TOLD = {"request": {"messages": []}, "reply": [{"content": "canary-4Z"}]}
WHY = "A laptop was lost."


@pytest.fixture
def partner() -> Partner:
    return alpha_builders.access().partner


def first_key(partner: Partner) -> PartnerDataKey:
    _, wrapped = sealing.new_data_key(settings.TRANSCRIPT_KEY, partner.pk)
    return PartnerDataKey.objects.create(partner=partner, number=1, wrapped_key=wrapped)


def kept(key: PartnerDataKey, days: int = 30) -> Transcript:
    """As the gateway keeps it."""
    request_id, now = uuid7(), clock.now()
    opened = sealing.unwrap(settings.TRANSCRIPT_KEY, key.partner_id, bytes(key.wrapped_key or b""))
    place = f"transcripts/{key.partner_id}/2026-11-23/{request_id}"
    object_store().put(place, sealing.seal(opened, request_id, orjson.dumps(TOLD)))
    return Transcript.objects.create(
        request_id=request_id,
        partner_id=key.partner_id,
        data_key=key,
        object_key=place,
        stored_at=now,
        expires_at=now + timedelta(days=days),
    )


def rotate(partner: Partner) -> PartnerDataKey:
    return data_keys.rotate_data_key(actor=ACTOR, partner=partner, reason=WHY)


def objects() -> set[str]:
    return set(object_store().keys("transcripts/"))


def test_after_a_rotation_old_texts_are_readable_at_every_moment(partner: Partner) -> None:
    old = first_key(partner)
    rows = [kept(old) for _ in range(3)]
    new = rotate(partner)
    later = kept(new)
    assert all(read_transcript(row.pk) == TOLD for row in (*rows, later))
    assert data_keys.seal_anew() == 3
    assert data_keys.seal_anew() == 0
    assert all(read_transcript(row.pk) == TOLD for row in (*rows, later))
    assert set(Transcript.objects.values_list("data_key__number", flat=True)) == {2}
    assert len(objects()) == 4 and objects() == set(
        Transcript.objects.values_list("object_key", flat=True)
    )


def test_a_key_without_texts_is_dropped_when_no_worker_can_still_use_it(partner: Partner) -> None:
    old = first_key(partner)
    kept(old)
    rotate(partner)
    data_keys.seal_anew()
    old.refresh_from_db()
    assert old.wrapped_key is not None
    late = kept(old)
    with clock.moved_by(timedelta(minutes=61)):
        assert data_keys.seal_anew() == 1
        old.refresh_from_db()
        assert old.wrapped_key is None and old.dropped_at is not None
        assert read_transcript(late.pk) == TOLD


def test_a_key_stays_as_long_as_a_file_of_feedback_lies_under_it(partner: Partner) -> None:
    old, granted_key = first_key(partner), Key.objects.get()
    remark = Feedback.objects.create(
        partner=partner, key=granted_key, comment="odd", received_at=clock.now()
    )
    FeedbackAttachment.objects.create(
        feedback=remark,
        data_key=old,
        name="screen.png",
        content_type="image/png",
        size_bytes=1,
        sha256="0" * 64,
        object_key="attachments/screen.png",
        expires_at=clock.now() + timedelta(days=9),
    )
    rotate(partner)
    with clock.moved_by(timedelta(days=2)):
        data_keys.seal_anew()
        old.refresh_from_db()
        assert old.wrapped_key is not None
    with clock.moved_by(timedelta(days=10)):
        assert erase_expired_attachments() == 1
        data_keys.seal_anew()
        old.refresh_from_db()
        assert old.wrapped_key is None


def test_a_text_that_is_moved_between_two_looks_is_read(
    partner: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = kept(first_key(partner))
    rotate(partner)
    store, moves = object_store(), []
    read = store.get

    def get(key: str) -> bytes:
        if not moves:
            moves.append(key)
            data_keys.seal_anew()
        return read(key)

    monkeypatch.setattr(store, "get", get)
    assert read_transcript(row.pk) == TOLD and moves == [row.object_key]


def test_batches_end_and_go_on(partner: Partner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_keys, "BATCH", 2)
    old = first_key(partner)
    rows = [kept(old) for _ in range(5)]
    rotate(partner)
    assert [data_keys.seal_anew() for _ in range(4)] == [2, 2, 1, 0]
    assert all(read_transcript(row.pk) == TOLD for row in rows)


def test_a_sweep_killed_after_the_new_object_is_finished_by_the_next(partner: Partner) -> None:
    old = first_key(partner)
    row = kept(old)
    new = rotate(partner)
    object_store().put(data_keys.place_under(row.object_key, new.number), b"half")
    assert read_transcript(row.pk) == TOLD
    assert data_keys.seal_anew() == 1
    assert read_transcript(row.pk) == TOLD and len(objects()) == 1


def test_what_killed_sweeps_left_is_erased_with_the_text(partner: Partner) -> None:
    old = first_key(partner)
    row = kept(old, days=1)
    new = rotate(partner)
    object_store().put(data_keys.place_under(row.object_key, new.number), b"of a killed sweep")
    with clock.moved_by(timedelta(days=2)):
        assert erase_expired_transcripts() == 1
    assert objects() == set()


def test_a_damaged_text_does_not_hold_up_the_others(
    partner: Partner, caplog: pytest.LogCaptureFixture
) -> None:
    old = first_key(partner)
    bad, good = kept(old), kept(old)
    object_store().put(bad.object_key, b"\x01" + b"x" * 60)
    rotate(partner)
    assert data_keys.seal_anew() == 1
    assert str(bad.pk) in caplog.text and "canary" not in caplog.text
    assert read_transcript(good.pk) == TOLD
    with clock.moved_by(timedelta(hours=2)):
        data_keys.seal_anew()
    old.refresh_from_db()
    assert old.wrapped_key is not None, "a text lies under it"


def test_another_installations_key_changes_nothing(partner: Partner, settings: Any) -> None:
    old = first_key(partner)
    row = kept(old)
    rotate(partner)
    right = settings.TRANSCRIPT_KEY
    settings.TRANSCRIPT_KEY = "w" * 60
    assert data_keys.seal_anew() == 0
    settings.TRANSCRIPT_KEY = right
    assert read_transcript(row.pk) == TOLD


def test_rotating_twice_ends_at_the_newest(partner: Partner) -> None:
    row = kept(first_key(partner))
    assert [rotate(partner).number, rotate(partner).number] == [2, 3]
    assert data_keys.seal_anew() == 1
    row.refresh_from_db()
    assert row.data_key.number == 3 and read_transcript(row.pk) == TOLD


def test_dropping_erases_at_once_and_the_sweep_takes_the_objects(partner: Partner) -> None:
    old = first_key(partner)
    rows = [kept(old), kept(rotate(partner))]
    assert data_keys.drop_data_keys(actor=ACTOR, partner=partner, reason="They asked for it.") == 2
    for row in rows:
        with pytest.raises(NotFound, match="erased"):
            read_transcript(row.pk)
    assert not PartnerDataKey.objects.exclude(wrapped_key=None).exists()
    assert data_keys.seal_anew() == 0
    assert erase_expired_transcripts() == 2
    assert objects() == set() and not Transcript.objects.exists()


def test_dropping_one_partners_keys_leaves_the_others(partner: Partner) -> None:
    from alpha.services.partners import make_partner

    other = make_partner(actor=ACTOR, name="globex", contact_email="dev@globex.example")
    mine, theirs = kept(first_key(partner)), kept(first_key(other))
    data_keys.drop_data_keys(actor=ACTOR, partner=partner, reason=WHY)
    erase_expired_transcripts()
    assert read_transcript(theirs.pk) == TOLD
    assert not Transcript.objects.filter(pk=mine.pk).exists()


@pytest.mark.parametrize("act", [data_keys.rotate_data_key, data_keys.drop_data_keys])
def test_refusals(partner: Partner, act: Any) -> None:
    with pytest.raises(InvalidMove, match="No text is kept of acme"):
        act(actor=ACTOR, partner=partner, reason=WHY)
    first_key(partner)
    with pytest.raises(InvalidInput, match="Say why"):
        act(actor=ACTOR, partner=partner, reason=" ")
    with pytest.raises(NotPermitted):
        act(actor=builders.cast().engineer, partner=partner, reason=WHY)
    assert PartnerDataKey.objects.get().wrapped_key is not None
    assert not AuditEntry.objects.filter(action__startswith="data_key").exists()


def test_both_are_in_the_audit_without_a_key(partner: Partner) -> None:
    kept(first_key(partner))
    rotate(partner)
    data_keys.drop_data_keys(actor=ACTOR, partner=partner, reason=WHY)
    entries = AuditEntry.objects.filter(action__startswith="data_key").order_by("pk")
    assert sorted(entry.action for entry in entries) == ["data_key.dropped", "data_key.rotated"]
    assert {entry.reason for entry in entries} == {WHY}


def test_the_api_rotates_drops_and_lists(partner: Partner) -> None:
    builders.cast()
    manager = signed_in("partner_manager")
    root = f"/api/partners/{partner.name}/data-keys/"
    assert manager.get(root).json() == []
    refused = manager.post(f"{root}rotate/", {"reason": WHY}, format="json")
    assert (refused.status_code, refused.json()["code"]) == (409, "no_data_key")
    kept(first_key(partner))
    listed = manager.post(f"{root}rotate/", {"reason": WHY}, format="json").json()
    assert [(key["number"], key["n_texts"]) for key in listed] == [(2, 0), (1, 1)]
    assert "wrapped_key" not in listed[0]
    dropped = manager.post(f"{root}drop/", {"reason": WHY}, format="json")
    assert (dropped.status_code, dropped.json()) == (200, {"n_texts": 1})
    engineer = signed_in("engineer")
    assert engineer.post(f"{root}drop/", {"reason": WHY}, format="json").status_code == 403


def test_the_command_line_does_the_same(
    partner: Partner, capsys: pytest.CaptureFixture[str]
) -> None:
    kept(first_key(partner))
    builders.cast()
    who = "partner_manager"
    call_command("transcript", "rotate", partner.name, "--reason", WHY, "--by", who)
    call_command("transcript", "keys", partner.name)
    call_command("transcript", "erase", partner.name, "--reason", WHY, "--by", who)
    said = capsys.readouterr().out
    assert "has data key 2" in said and ": 1 texts" in said and "Erased 1 texts of acme" in said
