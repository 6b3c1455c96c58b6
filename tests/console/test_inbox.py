"""The inbox's pages: narrowed, kept, worked by keys, mails looked at before they are kept."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from alpha.models import Feedback, Finding, InboxFilter
from alpha.services import triage
from infra.roles import Role
from tests import builders
from tests.alpha import builders as alpha_builders
from tests.alpha.builders import Access
from tests.alpha.test_triage import MAIL

pytestmark = pytest.mark.django_db


@pytest.fixture
def access() -> Access:
    return alpha_builders.access()


@pytest.fixture
def client() -> Client:
    made = Client()
    made.force_login(builders.login("rev", Role.PARTNER_MANAGER))
    return made


def remark(access: Access, comment: str) -> Feedback:
    return alpha_builders.feedback(
        access, comment=comment, state="new", checkpoint=access.checkpoint
    )


def page(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return str(answer.content.decode())


def test_the_inbox_is_narrowed_and_the_narrowing_kept(access: Access, client: Client) -> None:
    slow, wrong = remark(access, "It is slow today."), remark(access, "The wrong column.")
    inbox = reverse("console-feedback")
    shown = page(client, f"{inbox}?q=slow&severity=nonsense&state=nonsense")
    assert slow.comment in shown and wrong.comment not in shown
    assert "Nothing is like that" in page(client, f"{inbox}?q=zebra")
    kept = client.post(f"{inbox}?q=slow&page=1", {"do": "save", "name": "Slow"}, follow=True)
    assert "Kept as Slow." in kept.content.decode()
    assert InboxFilter.objects.get().query == "q=slow"
    assert 'href="?q=slow"' in page(client, inbox)
    client.post(inbox, {"do": "drop", "name": "Slow"})
    assert not InboxFilter.objects.exists()
    refused = client.post(inbox, {"do": "save", "name": "All"})
    assert refused.status_code == 400 and "Narrow the inbox first" in refused.content.decode()


def test_a_remark_is_worked_through_on_its_page(access: Access, client: Client) -> None:
    first = remark(access, "It picks the wrong column when a table has two dates.")
    second = remark(access, "With two dates in the table it picks the wrong column.")
    triage.index_feedback()
    address = reverse("console-feedback-item", args=[second.pk])
    shown = page(client, address)
    assert "Said before?" in shown and first.comment in shown and 'data-key="d"' in shown
    assert "It is yours." in client.post(address, {"do": "take"}, follow=True).content.decode()
    graded = {"do": "triage", "assignee": "", "severity": "major", "labels": "sql.columns"}
    assert client.post(address, graded).status_code == 302
    second.refresh_from_db()
    assert (second.severity, second.labels) == ("major", ["sql.columns"])
    same = {"do": "duplicate", "of": str(first.pk), "reason": "The same."}
    assert client.post(address, same).status_code == 302
    assert "what another one said" in page(client, address)
    opening = {"do": "open", "title": "Two dates", "severity": "major"}
    client.post(reverse("console-feedback-item", args=[first.pk]), opening)
    finding = Finding.objects.get()
    assert finding.reports.get().feedback == first
    client.post(address, {"do": "link", "finding": str(finding.pk)})
    assert finding.reports.count() == 2


def test_groups_are_opened_by_a_person(access: Access, client: Client) -> None:
    address = reverse("console-feedback-groups")
    assert "No groups" in page(client, address)
    rows = [
        remark(access, "It picks the wrong column when a table has two dates."),
        remark(access, "With two dates in the table it picks the wrong column."),
    ]
    assert "2 remarks look like" in page(client, address)
    body = {"do": "open", "title": "Two dates", "severity": "minor"}
    ids = ",".join(str(row.pk) for row in rows)
    made = client.post(address, {**body, "remarks": ids}, follow=True)
    assert "The finding is open with 2 remarks" in made.content.decode()
    assert client.post(address, {**body, "remarks": "x"}).status_code == 400


def test_a_mail_is_shown_before_it_is_kept(access: Access, client: Client) -> None:
    address = reverse("console-feedback-import")
    mail = SimpleUploadedFile("odd.eml", MAIL.encode())
    shown = client.post(address, {"do": "show", "file": mail})
    assert shown.status_code == 200 and not Feedback.objects.exists()
    assert "It picks the wrong column" in shown.content.decode()
    form = shown.context["forms"]["keep"]
    body = {"do": "keep", "content": form.initial["content"]}
    again = client.post(address, {**body, "partner": ""})
    assert again.status_code == 400 and "It picks the wrong column" in again.content.decode()
    for _ in range(2):
        kept = client.post(address, {**body, "partner": str(access.partner.pk)})
        assert kept.status_code == 302
    assert Feedback.objects.get().source == "email"
    for bad in ({}, {"text": "> quoted"}, {"text": "a", "file": SimpleUploadedFile("a", b"a")}):
        assert client.post(address, {"do": "show", **bad}).status_code == 400
    assert client.post(address, {**body, "content": "%%", "partner": ""}).status_code == 400
