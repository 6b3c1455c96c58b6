"""`/v1/notices`: read and acknowledged with the partner's own key."""

from __future__ import annotations

from uuid import uuid4

import httpx2 as httpx
import pytest

from alpha.models import NoticeRecipient
from alpha.services import keys, notices, partners
from alpha.services.notices import Message
from tests import builders as shared
from tests.alpha.builders import ACTOR, Access
from tests.alpha.gateway.server import Running, wait_for

MESSAGE = Message(subject="quasar-alpha ends on Friday", text="Its successor opens on Monday.")


@pytest.fixture
def sent(granted: Access) -> str:
    manager = shared.cast().partner_manager
    return str(notices.send_notice(actor=manager, stage=granted.stage, message=MESSAGE).pk)


def test_a_partner_reads_and_acknowledges_once(
    http: httpx.Client, granted: Access, sent: str
) -> None:
    listed = http.get("/notices")
    assert listed.status_code == 200 and listed.headers["x-request-id"]
    (notice,) = listed.json()["data"]
    assert (notice["id"], notice["kind"], notice["acknowledged_at"]) == (sent, "change", None)
    assert (notice["subject"], notice["models"]) == (MESSAGE.subject, ["quasar-alpha"])
    assert granted.checkpoint.name not in listed.text
    first = http.post(f"/notices/{sent}/ack").json()
    assert first["acknowledged_at"] is not None
    assert http.post(f"/notices/{sent}/ack").json() == first
    assert NoticeRecipient.objects.get().acknowledged_with == granted.key


def test_what_is_not_the_partners_is_not_there(
    gateway: Running, http: httpx.Client, sent: str
) -> None:
    umbrella = partners.make_partner(
        actor=ACTOR, name="umbrella", contact_email="a@umbrella.example"
    )
    _, text = keys.issue_key(actor=ACTOR, partner=umbrella)
    headers = {"authorization": f"Bearer {text}"}
    with httpx.Client(base_url=gateway.url, headers=headers, timeout=20) as stranger:
        wait_for(lambda: stranger.get("/models").status_code == 200, "the new key to be known")
        assert stranger.get("/notices").json()["data"] == []
        theirs = stranger.post(f"/notices/{sent}/ack")
        nobodys = stranger.post(f"/notices/{uuid4()}/ack")
    assert (theirs.status_code, theirs.json()["error"]["code"]) == (404, "notice_not_found")
    assert nobodys.status_code == 404
    for bad in ("x", "%00", "../x"):
        assert http.post(f"/notices/{bad}/ack").status_code == 404
    assert http.post("/notices").status_code == 405
    assert http.get(f"/notices/{sent}/ack").status_code == 405
    assert NoticeRecipient.objects.get().acknowledged_at is None
