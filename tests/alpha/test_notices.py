"""Notices and recalls: who is told, who may tell, and what stays as it was."""

from __future__ import annotations

import json

import pytest
from django.db import connection, transaction
from django.db.utils import InternalError, ProgrammingError
from django.test import Client
from django.urls import reverse

from alpha import exposure
from alpha.models import Notice, NoticeRecipient
from alpha.services import grants, notices, partners
from alpha.services.notices import Message
from infra import clock
from infra.actors import system
from infra.errors import InvalidInput, InvalidMove, NotPermitted
from infra.models import AuditEntry
from releases.models import Release
from tests import builders as shared
from tests.alpha.builders import ACTOR, Access, access, usage_event

pytestmark = pytest.mark.django_db
MESSAGE = Message(subject="quasar-alpha answers shorter", text="From Monday on.")


@pytest.fixture
def cast() -> shared.Cast:
    return shared.cast()


def signed_in(username: str) -> Client:
    client = Client()
    assert client.login(username=username, password=shared.PASSWORD)
    return client


def other_partner(of: Access) -> Access:
    """A partner with no grant and no call."""
    partners.make_partner(actor=ACTOR, name="umbrella", contact_email="dev@umbrella.example")
    return of


def test_a_notice_goes_to_who_holds_a_grant_and_to_nobody_else(cast: shared.Cast) -> None:
    of = other_partner(access())
    notice = notices.send_notice(actor=cast.partner_manager, stage=of.stage, message=MESSAGE)
    assert [str(one.partner) for one in notice.recipients.all()] == ["acme"]
    assert notice.recipients.get().codenames == ["quasar-alpha"]
    entry = AuditEntry.objects.get(action="notice.sent")
    assert entry.after == {"kind": "change", "partners": ["acme"]}
    grants.revoke_grant(actor=ACTOR, grant=of.grant, reason="It ended.")
    with pytest.raises(InvalidMove, match="has no partner"):
        notices.send_notice(actor=cast.partner_manager, stage=of.stage, message=MESSAGE)


def test_a_recall_takes_it_out_and_tells_all_whom_it_served(cast: shared.Cast) -> None:
    of = other_partner(access())
    for _ in range(3):
        usage_event(of)
    with pytest.raises(NotPermitted, match="demote"):
        notices.recall(actor=cast.partner_manager, checkpoint=of.checkpoint, message=MESSAGE)
    of.release.refresh_from_db()
    assert of.release.ended_at is None and not Notice.objects.exists()
    notice = notices.recall(actor=cast.release_manager, checkpoint=of.checkpoint, message=MESSAGE)
    of.release.refresh_from_db()
    assert of.release.ended_at is not None
    told = exposure.told(exposure.notice_of(notice.pk))
    assert [
        (str(one.recipient.partner), one.exposure and one.exposure.n_calls) for one in told
    ] == [("acme", 3)]
    # Nothing of it is live any more: the partner manager may tell them again.
    again = notices.recall(actor=cast.partner_manager, checkpoint=of.checkpoint, message=MESSAGE)
    assert again.recipients.count() == 1


def test_what_cannot_be_sent(cast: shared.Cast) -> None:
    of = access()
    stranger = shared.checkpoint("chat-nano-9")
    for message in (Message(subject=" ", text="x"), Message(subject="x", text="")):
        with pytest.raises(InvalidInput):
            notices.send_notice(actor=cast.release_manager, stage=of.stage, message=message)
    with pytest.raises(InvalidMove, match="has served no partner"):
        notices.recall(actor=cast.release_manager, checkpoint=stranger, message=MESSAGE)
    with pytest.raises(NotPermitted):
        notices.send_notice(actor=cast.engineer, stage=of.stage, message=MESSAGE)
    with pytest.raises(NotPermitted, match="Only a person"):
        notices.send_notice(actor=system("test"), stage=of.stage, message=MESSAGE)
    assert not Notice.objects.exists()


def test_what_was_said_and_acknowledged_stays(cast: shared.Cast) -> None:
    of = access()
    notice = notices.send_notice(actor=cast.release_manager, stage=of.stage, message=MESSAGE)
    with pytest.raises((InternalError, ProgrammingError)), transaction.atomic():
        Notice.objects.filter(pk=notice.pk).update(text="Something else.")
    mine = NoticeRecipient.objects.filter(notice=notice)
    assert mine.update(acknowledged_at=clock.now(), acknowledged_with=of.key) == 1
    with pytest.raises((InternalError, ProgrammingError)), transaction.atomic():
        mine.update(acknowledged_at=clock.now())
    assert connection.is_usable()


def test_the_console_and_the_api_tell_the_same(cast: shared.Cast) -> None:
    of = access()
    usage_event(of)
    client = signed_in("release_manager")
    page = reverse("console-notices")
    sent = {"stage": str(of.stage.pk), "subject": MESSAGE.subject, "text": MESSAGE.text}
    answer = client.post(page, {"do": "send", **sent}, follow=True)
    assert "0 of 1 acknowledged it" in answer.content.decode()
    recalled = {"checkpoint": of.checkpoint.name, "subject": "Withdrawn", "text": "It is unsafe."}
    made = client.post("/api/recalls/", json.dumps(recalled), content_type="application/json")
    assert made.status_code == 201, made.content
    body = client.get(f"/api/notices/{made.json()['id']}/").json()
    assert body["notice"]["kind"] == "recall" and body["told"][0]["exposure"]["n_calls"] == 1
    assert client.get("/api/notices/").json()["count"] == 2
    reader = signed_in("auditor")
    assert "Send" not in reader.get(page).content.decode().split("<main")[1]
    refused = reader.post("/api/recalls/", json.dumps(recalled), content_type="application/json")
    assert refused.status_code == 403


def test_a_recall_says_whom_it_tells_before_it_does(cast: shared.Cast) -> None:
    of = access()
    usage_event(of)
    client = signed_in("release_manager")
    path = f"{reverse('console-recall')}?checkpoint={of.checkpoint.pk}"
    page = client.get(path).content.decode()
    assert "1 partner made 1 call to it since" in page and "It leaves 1 stage now" in page
    exposed = client.get(f"/api/recalls/{of.checkpoint.name}/exposed/").json()
    assert [(one["partner"], one["n_calls"]) for one in exposed] == [("acme", 1)]
    body = {"do": "recall", "subject": "Withdrawn", "text": f"It was {of.checkpoint.name}."}
    assert client.post(path, body).status_code == 400
    assert Release.objects.get().ended_at is None
    assert client.post(path, {**body, "text": "It was unsafe."}).status_code == 302
    assert "It was recalled" in client.get(path).content.decode()
    assert client.get(reverse("console-recall")).status_code == 404
