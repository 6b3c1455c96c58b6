"""People of partners come in by invitation, sign in, are shut out; and handle keys if they may."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import ProgrammingError, connection, transaction

from alpha.models import Key, NoticeRecipient, Partner, PartnerInvitation, PartnerLogin
from alpha.quotas import Quotas
from alpha.services import grants, keys, notices, own_access, partner_logins, partners, terms
from alpha.services.notices import Message
from infra import clock
from infra.actors import Actor
from infra.errors import InvalidInput, InvalidMove, NotFound, NotPermitted
from infra.lockouts import TooManyFailures
from infra.models import AuditEntry, User
from infra.roles import Role
from tests import builders
from tests.alpha import builders as alpha_builders
from tests.alpha.test_api import post, signed_in
from tests.alpha.test_limits import command

pytestmark = pytest.mark.django_db
PASSWORD = "nine-blue-lanterns"
HERE = "203.0.113.9"


def person(partner: Partner, email: str = "ada@acme.example", name: str = "Ada") -> PartnerLogin:
    """Somebody who came in by a link."""
    manager = builders.cast().partner_manager
    _, secret = partner_logins.invite(actor=manager, partner=partner, email=email)
    return partner_logins.accept_invitation(secret=secret, name=name, password=PASSWORD)


def test_a_link_lets_one_person_in_once() -> None:
    partner, manager = alpha_builders.access().partner, builders.cast().partner_manager
    made, secret = partner_logins.invite(actor=manager, partner=partner, email="ada@acme.example")
    assert secret not in str(PartnerInvitation.objects.values().get())
    login = partner_logins.accept_invitation(secret=secret, name=" Ada ", password=PASSWORD)
    assert (login.name, login.partner, login.email) == ("Ada", partner, made.email)
    assert PASSWORD not in str(PartnerLogin.objects.values().get())
    with pytest.raises(NotFound, match="was used, has expired or was withdrawn"):
        partner_logins.accept_invitation(secret=secret, name="Eve", password=PASSWORD)
    # No login of the console comes of it, and nobody of the house.
    assert not User.objects.filter(email=made.email).exists()
    assert partner_logins.actor_of(login).roles == frozenset()
    told = [entry.action for entry in AuditEntry.objects.filter(action__startswith="partner_")]
    assert sorted(told) == ["partner_invitation.made", "partner_login.let_in"]


def test_a_link_that_expired_was_withdrawn_or_replaced_lets_nobody_in() -> None:
    partner, manager = alpha_builders.access().partner, builders.cast().partner_manager
    email = "ada@acme.example"
    _, replaced = partner_logins.invite(actor=manager, partner=partner, email=email)
    made, withdrawn = partner_logins.invite(actor=manager, partner=partner, email=email.upper())
    partner_logins.withdraw_invitation(actor=manager, invitation=made, reason="a slip")
    _, expired = partner_logins.invite(actor=manager, partner=partner, email=email)
    with clock.moved_by(timedelta(days=8)):
        for secret in (replaced, withdrawn, expired, "", "x" * 43):
            with pytest.raises(NotFound):
                partner_logins.open_invitation(secret)
    with pytest.raises(InvalidMove, match="used or withdrawn"):
        partner_logins.withdraw_invitation(actor=manager, invitation=made, reason="twice")


@pytest.mark.parametrize("password", ["short", "password123", "", "ada@acme.example", "a" * 201])
def test_a_weak_password_is_refused_and_the_link_still_works(password: str) -> None:
    partner, manager = alpha_builders.access().partner, builders.cast().partner_manager
    _, secret = partner_logins.invite(actor=manager, partner=partner, email="ada@acme.example")
    with pytest.raises(InvalidInput, match="password"):
        partner_logins.accept_invitation(secret=secret, name="Ada", password=password)
    with pytest.raises(InvalidInput, match="name"):
        partner_logins.accept_invitation(secret=secret, name=" ", password=PASSWORD)
    assert partner_logins.accept_invitation(secret=secret, name="Ada", password=PASSWORD)


def test_a_new_link_sets_a_new_password_for_who_is_in() -> None:
    partner = alpha_builders.access().partner
    first = person(partner)
    again = person(partner, name="Ada L.")
    assert again.pk == first.pk and again.password != first.password


def test_one_address_belongs_to_one_partner() -> None:
    cast, partner = builders.cast(), alpha_builders.access().partner
    person(partner)
    other = partners.make_partner(
        actor=cast.partner_manager, name="beta-labs", contact_email="a@b.example"
    )
    with pytest.raises(InvalidMove, match="another partner"):
        partner_logins.invite(actor=cast.partner_manager, partner=other, email="ADA@acme.example")
    with pytest.raises(NotPermitted, match="may not invite people"):
        partner_logins.invite(actor=cast.engineer, partner=other, email="bo@b.example")
    with pytest.raises(InvalidInput, match="no e-mail address"):
        partner_logins.invite(actor=cast.partner_manager, partner=other, email="bo")


def test_a_sign_in_does_not_tell_what_was_wrong() -> None:
    login = person(alpha_builders.access().partner)
    assert (
        partner_logins.sign_in(email="ADA@acme.example ", password=PASSWORD, address=HERE).pk
        == login.pk
    )
    told = set()
    for email, password in ((login.email, "wrong"), ("nobody@acme.example", PASSWORD)):
        with pytest.raises(NotPermitted) as refused:
            partner_logins.sign_in(email=email, password=password, address=HERE)
        told.add(refused.value.message)
    partner_logins.end_login(actor=builders.cast().partner_manager, login=login, reason="left")
    with pytest.raises(NotPermitted) as refused:
        partner_logins.sign_in(email=login.email, password=PASSWORD, address=HERE)
    assert len(told | {refused.value.message}) == 1


def test_failures_lock_the_right_password_out_for_a_while(settings: Any) -> None:
    settings.LOCKOUT_AFTER = 2
    login = person(alpha_builders.access().partner)
    for email in (login.email, "nobody@acme.example"):
        for password in ("wrong", "wrong too"):
            with pytest.raises(NotPermitted):
                partner_logins.sign_in(email=email, password=password, address=HERE)
        with pytest.raises(TooManyFailures):
            partner_logins.sign_in(email=email, password=PASSWORD, address=HERE)
    with clock.moved_by(timedelta(seconds=settings.LOCKOUT_S + 1)):
        assert partner_logins.sign_in(email=login.email, password=PASSWORD, address=HERE)
    assert AuditEntry.objects.filter(action="sign_in.locked").count() == 2


def test_who_was_shut_out_may_be_invited_again() -> None:
    partner, manager = alpha_builders.access().partner, builders.cast().partner_manager
    first = person(partner)
    partner_logins.end_login(actor=manager, login=first, reason="left")
    with pytest.raises(InvalidMove, match="shut out already"):
        partner_logins.end_login(actor=manager, login=first, reason="left")
    assert person(partner).pk != first.pk


def test_people_handle_keys_only_where_they_may() -> None:
    access, manager = alpha_builders.access(), builders.cast().partner_manager
    login = person(access.partner)
    with pytest.raises(NotPermitted, match="Your contact issues"):
        own_access.issue_own_key(login=login, name="ci", days=30)
    partner_logins.let_issue_keys(
        actor=manager, partner=access.partner, may=True, reason="They asked."
    )
    made, text = own_access.issue_own_key(login=login, name="ci", days=30)
    assert text.startswith(f"slw_{made.public}_") and made.created_by is None
    own_access.rotate_own_key(login=login, key_id=made.pk, overlap=timedelta(hours=1))
    own_access.revoke_own_key(login=login, key_id=made.pk, reason="rotated")
    entry = AuditEntry.objects.filter(action="key.issued").latest("pk")
    assert (entry.actor_kind, entry.on_behalf_of) == ("partner_person", "acme")
    capped, _ = keys.issue_key(
        actor=manager, partner=access.partner, quotas=Quotas(budget_micros=5)
    )
    with pytest.raises(NotPermitted, match="budget of its own"):
        own_access.rotate_own_key(login=login, key_id=capped.pk, overlap=timedelta(0))


def test_nobody_touches_keys_or_notices_of_another_partner() -> None:
    access, manager = alpha_builders.access(), builders.cast().partner_manager
    other = partners.make_partner(actor=manager, name="beta-labs", contact_email="a@b.example")
    partner_logins.let_issue_keys(actor=manager, partner=other, may=True, reason="They asked.")
    stranger = person(other, "bo@b.example", "Bo")
    for call in (
        lambda: own_access.rotate_own_key(
            login=stranger, key_id=access.key.pk, overlap=timedelta(0)
        ),
        lambda: own_access.revoke_own_key(login=stranger, key_id=access.key.pk, reason="x"),
        lambda: terms.accept_own_terms(login=stranger, grant=access.grant, version="1"),
    ):
        with pytest.raises(NotFound):
            call()
    notice = notices.send_notice(
        actor=manager, stage=access.stage, message=Message(subject="Soon", text="It changes.")
    )
    with pytest.raises(NotFound):
        own_access.acknowledge(login=stranger, notice_id=notice.pk)
    assert Key.objects.get(partner=access.partner).revoked_at is None


def test_a_notice_is_acknowledged_once_by_whom_it_was_told() -> None:
    access, manager = alpha_builders.access(), builders.cast().partner_manager
    ada, bo = person(access.partner), person(access.partner, "bo@acme.example", "Bo")
    notice = notices.send_notice(
        actor=manager, stage=access.stage, message=Message(subject="Soon", text="It changes.")
    )
    own_access.acknowledge(login=ada, notice_id=notice.pk)
    own_access.acknowledge(login=bo, notice_id=notice.pk)
    row = NoticeRecipient.objects.get()
    assert row.acknowledged_by == ada and row.acknowledged_at is not None
    with pytest.raises(InvalidInput, match="asks nothing"):
        own_access.acknowledge(login=bo, notice_id=notice.pk, resolved=True)


def test_a_notice_that_names_a_checkpoint_is_not_sent() -> None:
    access, manager = alpha_builders.access(), builders.cast().partner_manager
    message = Message(subject="New", text=f"It is {access.checkpoint.name.upper()}.")
    with pytest.raises(InvalidInput, match="write the codename"):
        notices.send_notice(actor=manager, stage=access.stage, message=message)
    assert not NoticeRecipient.objects.exists()


def test_terms_are_accepted_as_they_were_read() -> None:
    access, manager = alpha_builders.access(), builders.cast().partner_manager
    login, beta = person(access.partner), builders.stage("beta")
    grant = grants.make_grant(actor=manager, stage=beta, partner=access.partner)
    assert terms.terms_asked(grant) is None
    terms.publish_terms(actor=manager, version="2026-1", text="Be kind.")
    with pytest.raises(InvalidMove, match="Other terms"):
        terms.accept_own_terms(login=login, grant=grant, version="2025-9")
    terms.accept_own_terms(login=login, grant=grant, version="2026-1")
    terms.accept_own_terms(login=login, grant=grant, version="2026-1")
    grant.refresh_from_db()
    assert (grant.terms_version, grant.terms_accepted_by) == ("2026-1", "Ada")
    assert AuditEntry.objects.filter(action="grant.terms_accepted").count() == 1
    with pytest.raises(InvalidMove, match="are published"):
        terms.publish_terms(actor=manager, version="2026-1", text="Be kinder.")
    with pytest.raises(ProgrammingError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE partner_terms SET text = 'Be rich.'")


def test_one_partner_accepts_a_cohorts_terms_for_itself_alone() -> None:
    manager = builders.cast().partner_manager
    access, beta = alpha_builders.access(), builders.stage("beta")
    cohort = partners.make_cohort(actor=manager, name="design-partners")
    partners.join_cohort(actor=manager, cohort=cohort, partner=access.partner)
    grant = grants.make_grant(actor=manager, stage=beta, cohort=cohort)
    terms.publish_terms(actor=manager, version="2026-1", text="Be kind.")
    accepted = terms.accept_own_terms(login=person(access.partner), grant=grant, version="2026-1")
    grant.refresh_from_db()
    assert accepted.partner == access.partner and grant.terms_accepted_at is None


def test_people_over_the_api_and_by_command() -> None:
    access = alpha_builders.access()
    client, base = signed_in("pat", Role.PARTNER_MANAGER), "/api/partners/acme"
    made = post(client, f"{base}/invitations/", email="ada@acme.example", days=2)
    assert made.status_code == 201 and "/partner/invitation/" in made.json()["link"]
    assert "link" not in client.get(f"{base}/invitations/").json()[0]
    gone = f"/api/partner-invitations/{made.json()['id']}/withdraw/"
    assert post(client, gone, reason="a slip").json()["withdrawn_at"]
    assert post(signed_in("eve", Role.ENGINEER), gone, reason="x").status_code == 403
    login = person(access.partner)
    assert client.get(f"{base}/people/").json()[0]["name"] == "Ada"
    ended = post(client, f"/api/partner-people/{login.pk}/end/", reason="left")
    assert ended.json()["end_reason"] == "left"
    right = post(client, f"{base}/key-right/", may=True, reason="They asked.")
    assert right.json()["people_may_issue_keys"] is True
    body = {"version": "2026-1", "text": "Be kind."}
    assert post(client, "/api/partner-terms/", **body).status_code == 201
    assert post(client, "/api/partner-terms/", **body).status_code == 409
    told = command("partner", "invite", "acme", "bo@acme.example")
    assert told["link"].startswith("http")
    told = command("partner", "keys", "acme", "by-us", "--reason", "Over.")
    assert told["people_may_issue_keys"] is False


def test_an_actor_of_a_partner_is_nobody_of_the_house() -> None:
    actor: Actor = partner_logins.actor_of(person(alpha_builders.access().partner))
    for refused in (
        lambda: actor.must("do anything", *Role),
        lambda: actor.must_be_person("approve"),
    ):
        with pytest.raises(NotPermitted):
            refused()
