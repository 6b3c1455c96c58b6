"""The partners' own pages: whose they are, what they never show, and what they refuse."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from alpha.models import Key, NoticeRecipient, Partner, PartnerLogin, TermsAcceptance
from alpha.services import grants, notices, partner_logins, partners, terms
from alpha.services.notices import Message
from tests import builders
from tests.alpha import builders as alpha_builders
from tests.alpha.builders import Access
from tests.alpha.test_partner_logins import PASSWORD, person

pytestmark = pytest.mark.django_db
PAGES = ("home", "keys", "notices", "feedback", "compare", "account")
CANARY = "<img src=x onerror=\"document.title='pwned'\"> \u202egnp.exe\u202c"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A partner with something on each of its pages, one of its people, and a stranger."""

    access: Access
    login: PartnerLogin
    stranger: PartnerLogin
    client: Client


def signed_in_as(login: PartnerLogin, **options: bool) -> Client:
    client = Client(**options)
    body = {"email": login.email, "password": PASSWORD}
    assert client.post(reverse("partner-sign-in"), body).status_code == 302
    return client


@pytest.fixture
def told() -> Told:
    access, manager = alpha_builders.access(), builders.cast().partner_manager
    login = person(access.partner, name=f"Ada {CANARY}")
    other = partners.make_partner(
        actor=manager, name="rival-labs", contact_email="bo@rival.example"
    )
    alpha_builders.usage_event(access, total_ms=640.0)
    alpha_builders.feedback(
        access,
        comment=f"It is odd. {CANARY}",
        checkpoint=access.checkpoint,
        codename="quasar-alpha",
    )
    terms.publish_terms(actor=manager, version="2026-1", text=f"Be kind. {CANARY}")
    beta = builders.stage("beta")
    grants.make_grant(actor=manager, stage=beta, partner=access.partner)
    access.codename.__class__.objects.create(
        stage=beta, size="nano", name="pulsar-beta", opens_at=access.codename.opens_at
    )
    message = Message(subject=f"It changes {CANARY}", text="Soon.")
    notices.send_notice(actor=manager, stage=access.stage, message=message)
    stranger = person(other, "bo@rival.example", "Bo")
    return Told(access=access, login=login, stranger=stranger, client=signed_in_as(login))


def own_pages(told: Told) -> Iterator[tuple[str, str]]:
    for name in PAGES:
        yield name, reverse(f"partner-{name}")
    waiting = told.access.partner.grants.get(terms_accepted_at=None)
    yield "terms", reverse("partner-terms", args=[waiting.pk])


def test_every_page_shows_what_is_theirs_and_no_checkpoint(told: Told) -> None:
    for name, path in own_pages(told):
        answer = told.client.get(path)
        page = answer.content.decode()
        assert answer.status_code == 200, name
        assert "no-store" in answer["Cache-Control"], name
        for hidden in (
            told.access.checkpoint.name,
            str(told.access.checkpoint.pk),
            told.access.deployment.upstream_model,
            "rival-labs",
            str(told.access.release.pk),
            "closed-alpha",
        ):
            assert hidden not in page, f"{name} shows {hidden}"
        assert "<img src=x" not in page and "unsafe" not in page, name


def test_the_pages_say_what_waits_and_what_can_be_called(told: Told) -> None:
    page = told.client.get(reverse("partner-home")).content.decode()
    assert "1 notice to read, terms to accept" in page
    assert "quasar-alpha" in page and "Terms for pulsar-beta" in page


def addresses(found: URLResolver, before: str = "") -> Iterator[str]:
    """Every address of the product, with something in the place of each parameter."""
    for one in found.url_patterns:
        path = before + str(one.pattern)
        if isinstance(one, URLResolver):
            yield from addresses(one, path)
        elif isinstance(one, URLPattern):
            yield path


def filled(path: str) -> str:
    plain = path.replace("^", "").replace("$", "").replace("\\Z", "")
    parts = [
        (str(uuid4()) if "uuid" in part else "1") if part.startswith("<") else part
        for part in plain.replace(">", ">|").replace("<", "|<").split("|")
    ]
    return "/" + "".join(parts)


def test_no_page_of_the_console_and_no_resource_opens_to_a_partner(told: Told) -> None:
    closed = [filled(path) for path in addresses(get_resolver()) if "(?P" not in path]
    closed = [path for path in closed if path.startswith(("/console/", "/api/"))]
    assert len(closed) > 150
    # What strangers are shown too.
    public = ("/api/health/", "/api/schema/", "/api/docs/", "/console/login/", "/console/jsi18n/")
    for path in closed:
        if path.startswith(public):
            continue
        answer = told.client.get(path)
        assert answer.status_code in (302, 401, 403, 404, 405), (path, answer.status_code)
        if path.startswith("/api/"):
            assert answer.status_code == 401, path


def test_a_console_login_opens_no_partners_page(told: Told) -> None:
    client = Client()
    client.force_login(builders.login("admin"))
    for name, path in own_pages(told):
        answer = client.get(path)
        assert answer.status_code == 302 and "/partner/sign-in/" in answer["Location"], name


def test_an_invitation_is_a_page_that_signs_in(told: Told) -> None:
    manager = builders.cast().partner_manager
    _, secret = partner_logins.invite(
        actor=manager, partner=told.access.partner, email="eve@acme.example"
    )
    path, client = reverse("partner-invitation", args=[secret]), Client()
    assert "eve@acme.example" in client.get(path).content.decode()
    weak = client.post(path, {"name": "Eve", "password": "short"})
    assert weak.status_code == 400 and "too short" in weak.content.decode()
    assert client.post(path, {"name": "Eve", "password": PASSWORD}).status_code == 302
    assert client.get(reverse("partner-home")).status_code == 200
    again = Client().get(path)
    assert again.status_code == 404 and "Ask your contact" in again.content.decode()


def test_a_wrong_password_and_a_foreign_next_lead_nowhere(told: Told) -> None:
    path, client = reverse("partner-sign-in"), Client()
    answer = client.post(path, {"email": told.login.email, "password": "wrong"})
    assert answer.status_code == 403 and "do not go together" in answer.content.decode()
    good = {"email": told.login.email, "password": PASSWORD}
    for elsewhere in ("https://evil.example/", "//evil.example/", "/console/", "/partner//evil"):
        answer = Client().post(path, {**good, "next": elsewhere})
        assert answer["Location"].startswith("/partner/"), elsewhere


def test_a_session_ends_with_its_login_its_partner_and_its_password(told: Told) -> None:
    home, manager = reverse("partner-home"), builders.cast().partner_manager
    second = signed_in_as(told.login)
    body = {"do": "password", "old": PASSWORD, "new": "ten-green-lanterns"}
    assert told.client.post(reverse("partner-account"), body).status_code == 302
    assert told.client.get(home).status_code == 200
    assert second.get(home).status_code == 302
    theirs = signed_in_as(told.stranger)
    partner_logins.end_login(actor=manager, login=told.stranger, reason="left")
    assert theirs.get(home).status_code == 302
    partners.end_partner(actor=manager, partner=told.access.partner, reason="over")
    assert told.client.get(home).status_code == 302


def test_terms_are_accepted_and_a_notice_is_read_on_the_pages(told: Told) -> None:
    path = dict(own_pages(told))["terms"]
    grant_id = path.split("/")[-2]
    body = {"do": "accept", "id": grant_id, "version": "2026-1"}
    assert told.client.post(path, body).status_code == 400
    assert told.client.post(path, {**body, "agreed": "on"}).status_code == 302
    assert TermsAcceptance.objects.get().login == told.login
    notice = NoticeRecipient.objects.get()
    body = {"do": "acknowledge", "id": str(notice.notice_id)}
    assert told.client.post(reverse("partner-notices"), body).status_code == 302
    notice.refresh_from_db()
    assert notice.acknowledged_by == told.login
    assert "All is in order" in told.client.get(reverse("partner-home")).content.decode()


def test_keys_are_issued_once_shown_and_only_where_allowed(told: Told) -> None:
    path, body = reverse("partner-keys"), {"do": "key", "name": "ci", "days": "30"}
    refused = told.client.post(path, body)
    assert refused.status_code == 403 and "Your contact issues" in refused.content.decode()
    Partner.objects.filter(pk=told.access.partner.pk).update(people_may_issue_keys=True)
    made = told.client.post(path, body)
    assert made.status_code == 200 and 'id="secret">slw_' in made.content.decode()
    assert 'id="secret"' not in told.client.get(path).content.decode()
    key = Key.objects.get(name="ci")
    rotated = told.client.post(path, {"do": "rotate_key", "id": key.pk, "overlap_hours": "1"})
    assert 'id="secret">slw_' in rotated.content.decode()
    theirs = signed_in_as(told.stranger)
    Partner.objects.update(people_may_issue_keys=True)
    for body in (
        {"do": "revoke_key", "id": key.pk, "reason": "mine"},
        {"do": "rotate_key", "id": key.pk, "overlap_hours": "1"},
    ):
        assert theirs.post(path, body).status_code == 404


def test_a_stranger_finds_nothing_of_another_partner(told: Told) -> None:
    theirs = signed_in_as(told.stranger)
    for name, path in own_pages(told):
        answer = theirs.get(path)
        assert answer.status_code == (404 if name == "terms" else 200), name
        for hidden in ("acme", "quasar-alpha", "It changes", "It is odd", str(told.access.key)):
            assert hidden not in answer.content.decode(), (name, hidden)


def test_changes_without_a_token_are_refused(told: Told) -> None:
    strict = Client(enforce_csrf_checks=True)
    body = {"email": told.login.email, "password": PASSWORD}
    assert strict.post(reverse("partner-sign-in"), body).status_code == 403
    assert strict.get(reverse("partner-sign-out")).status_code == 405
