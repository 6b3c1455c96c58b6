"""`/v1/notices`: read and acknowledged with the partner's own key."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx2 as httpx
import pytest

from alpha.models import Feedback, Finding, Notice, NoticeRecipient
from alpha.services import findings, keys, notices, partners
from alpha.services.findings import Weakness
from alpha.services.notices import Message
from infra import clock
from infra.ids import uuid7
from releases.gates.severity import Severity
from tests import builders as shared
from tests.alpha.builders import ACTOR, Access
from tests.alpha.gateway.conftest import chat
from tests.alpha.gateway.server import Running, usage_of, wait_for

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


@pytest.fixture
def asked(granted: Access) -> str:
    """A notice that asks whether what the partner reported is gone."""
    reviewer = shared.cast().behaviour_reviewer
    weakness = Weakness(title="Odd", severity=Severity.MINOR, reporter=granted.partner)
    finding = findings.open_finding(
        actor=reviewer, checkpoint=granted.checkpoint, weakness=weakness
    )
    notice = Notice.objects.create(
        kind="fix", subject="Fixed", text="Try it.", finding=finding, sent_at=clock.now()
    )
    notice.recipients.create(partner=granted.partner, codenames=["quasar-alpha-2"])
    return str(notice.pk)


def test_a_notice_of_a_fix_is_answered_once(
    http: httpx.Client, granted: Access, asked: str
) -> None:
    read = http.post(f"/notices/{asked}/ack").json()
    assert (read["kind"], read["resolved"], read["feedback"]) == ("fix", None, [])
    answer = {"resolved": False, "comment": "It still picks the wrong column."}
    first = http.post(f"/notices/{asked}/ack", json=answer)
    assert (first.status_code, first.json()["resolved"]) == (200, False)
    assert first.json()["acknowledged_at"] == read["acknowledged_at"]
    assert http.post(f"/notices/{asked}/ack", json=answer).json() == first.json()
    other = http.post(f"/notices/{asked}/ack", json={"resolved": True})
    assert (other.status_code, other.json()["error"]["code"]) == (409, "answered_already")
    row = NoticeRecipient.objects.get()
    assert (row.resolved, row.answer) == (False, answer["comment"])
    assert row.acknowledged_with == granted.key and row.answered_at is not None


def test_what_is_wrong_with_an_answer_is_named(http: httpx.Client, sent: str, asked: str) -> None:
    cases: list[tuple[str, object, int, str | None]] = [
        (asked, {"resolved": "yes"}, 400, "resolved"),
        (asked, {"comment": "but"}, 400, "resolved"),
        (asked, {"resolved": True, "comment": 7}, 400, "comment"),
        (asked, {"resolved": True, "comment": "a\0"}, 400, "comment"),
        (asked, {"fixed": True}, 400, "fixed"),
        (asked, [], 400, None),
        (sent, {"resolved": True}, 400, "resolved"),
    ]
    for notice, body, status, param in cases:
        reply = http.post(f"/notices/{notice}/ack", json=body)
        assert (reply.status_code, reply.json()["error"]["param"]) == (status, param), body
    assert not NoticeRecipient.objects.filter(answered_at__isnull=False).exists()


def feedback_on(http: httpx.Client, call: str, notice: str, **said: object) -> httpx.Response:
    return http.post("/feedback", json={"request_id": call, "notice": notice, **said})


def called(http: httpx.Client) -> str:
    """A call's id, whose usage has landed."""
    made = http.post("/chat/completions", json=chat())
    usage_of(made.headers["x-request-id"])
    return str(made.json()["id"])


def test_feedback_on_the_fix_is_the_answer_to_its_notice_once(
    http: httpx.Client, granted: Access, asked: str
) -> None:
    Finding.objects.update(fixed_in=granted.checkpoint)
    call, said = called(http), {"thumbs_up": False, "comment": "It is still there."}
    with ThreadPoolExecutor(10) as pool:
        keyed = {**said, "idempotency_key": "once"}
        replies = list(pool.map(lambda _: feedback_on(http, call, asked, **keyed), range(30)))
    assert {reply.status_code for reply in replies} == {200}, replies[0].text
    (told,) = {reply.text for reply in replies}
    kept, row = Feedback.objects.get(), NoticeRecipient.objects.get()
    assert (replies[0].json()["notice"], replies[0].json()["resolved"]) == (asked, False), told
    assert (row.answered_in, row.resolved, row.answer) == (kept, False, "It is still there.")
    assert row.acknowledged_with == granted.key and row.answered_at is not None
    assert http.get(f"/feedback/{kept.pk}").json()["notice"] == asked
    again = feedback_on(http, call, asked, thumbs_up=True)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "answered_already")
    reused = http.post("/feedback", json={"request_id": call, **keyed})
    assert reused.json()["error"]["code"] == "idempotency_key_reused"
    by_ack = http.post(f"/notices/{asked}/ack", json={"resolved": True})
    assert by_ack.json()["error"]["code"] == "answered_already"
    assert Feedback.objects.count() == 1


def test_feedback_that_can_be_no_answer_is_refused_and_not_kept(
    http: httpx.Client, granted: Access, sent: str, asked: str
) -> None:
    call, other = called(http), shared.checkpoint("chat-nano-9", checkpoint_digest="9" * 64)
    Finding.objects.update(fixed_in=other)
    cases: list[tuple[str, dict[str, object], int, str, str]] = [
        (asked, {"thumbs_up": True}, 409, "not_the_fix", "request_id"),
        (asked, {"comment": "gone"}, 400, "invalid_value", "thumbs_up"),
        (sent, {"thumbs_up": True}, 400, "invalid_value", "notice"),
        (str(uuid4()), {"thumbs_up": True}, 404, "notice_not_found", "notice"),
        ("x", {"thumbs_up": True}, 400, "invalid_value", "notice"),
    ]
    for notice, said, status, code, param in cases:
        reply = feedback_on(http, call, notice, **said)
        error = reply.json()["error"]
        assert (reply.status_code, error["code"], error["param"]) == (status, code, param)
        assert "nano-9" not in reply.text
    soon = feedback_on(http, f"chatcmpl-{uuid7()}", asked, thumbs_up=True)
    assert (soon.status_code, soon.json()["error"]["code"]) == (409, "call_not_landed")
    assert soon.headers["retry-after"] == "1"
    assert not Feedback.objects.exists()
    assert NoticeRecipient.objects.filter(answered_at=None).count() == 2
