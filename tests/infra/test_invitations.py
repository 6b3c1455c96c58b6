"""Invitations: a link makes a login once, with the roles that an administrator chose."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.management import call_command
from django.db import connections
from django.test import Client
from django.urls import reverse

from infra import clock, invitations, people
from infra.actors import Actor
from infra.errors import DomainError
from infra.models import AuditEntry, Invitation, Person, User
from infra.roles import Role
from tests import builders
from tests.clients import signed_in as with_session
from tests.console.visits import signed_in

PASSWORD = "a-long-one-of-hers-7"
WHOM = {"email": "Nia@Example.org", "name": "Nia Bello"}


def administrator() -> Actor:
    login = builders.login("boss")
    login.is_superuser = True
    login.save(update_fields=["is_superuser"])
    return people.actor_of_login(login)


def invited(*roles: Role) -> tuple[Invitation, str]:
    return invitations.invite(actor=administrator(), roles=roles, **WHOM)


def accepting(token: str, username: str = "nia", **extra: str) -> Any:
    body = {"username": username, "password": PASSWORD, "again": PASSWORD, **extra}
    return Client().post(reverse("invitation", args=[token]), body)


@pytest.mark.django_db
def test_a_link_makes_the_login_with_its_roles_once() -> None:
    row, token = invited(Role.AUDITOR, Role.ENGINEER)
    assert token not in str(Invitation.objects.values().get())
    page = Client().get(reverse("invitation", args=[token]))
    assert page.status_code == 200 and page["Referrer-Policy"] == "no-referrer"
    assert "auditors" in page.content.decode() and row.state == "open"
    answer = accepting(token)
    assert answer.status_code == 302 and answer["Location"] == reverse("admin:index")
    login = User.objects.get(username="nia")
    assert people.actor_of_login(login).roles == {Role.AUDITOR, Role.ENGINEER}
    assert (login.is_staff, login.is_superuser) == (True, False)
    assert login.person is not None and login.person.email == "nia@example.org"
    row.refresh_from_db()
    assert row.state == "accepted" and row.accepted_by == login
    assert accepting(token, "nia2").status_code == 404
    told = AuditEntry.objects.filter(action__startswith="invitation.").order_by("seq")
    assert [entry.action for entry in told] == ["invitation.made", "invitation.accepted"]


@pytest.mark.django_db
def test_links_that_are_old_revoked_replaced_or_forged_say_the_same() -> None:
    row, revoked = invited()
    invitations.revoke_invitation(actor=administrator(), invitation_id=row.pk, reason="A slip.")
    _, replaced = invited()
    _, old = invited()
    told = {Client().get(reverse("invitation", args=[t])).content for t in (revoked, replaced, "x")}
    with clock.moved_by(timedelta(days=7, seconds=1)):
        told.add(Client().get(reverse("invitation", args=[old])).content)
        assert accepting(old).status_code == 404
    assert len(told) == 1
    assert not User.objects.filter(username="nia").exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"password": "short", "again": "short"}, "at least 8"),
        ({"password": "password123", "again": "password123"}, "too common"),
        ({"again": "another-one-9"}, "differ"),
        ({"username": "boss"}, "choose another login"),
        ({"username": "a b<script>"}, "valid username"),
    ],
)
def test_a_bad_login_leaves_the_link_good(fields: dict[str, str], said: str) -> None:
    _, token = invited(Role.AUDITOR)
    answer = accepting(token, **fields)
    assert answer.status_code == 400 and said in answer.content.decode()
    assert accepting(token).status_code == 302


@pytest.mark.django_db
def test_only_administrators_invite_and_each_shell_refuses_alike(settings: Any) -> None:
    settings.EMAIL_IS_ON = False
    builders.cast()
    administrator()
    manager = with_session("release_manager")
    body = {**WHOM, "roles": ["auditors"]}
    refused = manager.post("/api/invitations/", body, format="json")
    assert refused.status_code == 403 and "administrators" in refused.json()["message"]
    page = signed_in("release_manager").post(
        reverse("console-invitations"), {"do": "invite", **WHOM}
    )
    assert page.status_code == 403
    with pytest.raises(SystemExit):
        call_command("invitation", "make", WHOM["email"], name="N", by="release_manager")
    assert not Invitation.objects.exists()
    made = with_session("boss").post("/api/invitations/", body, format="json")
    assert made.status_code == 201 and made["Cache-Control"] == "no-store"
    assert "invitation" in made.json()["link"] and "No mail server" in made.json()["not_sent"]


@pytest.mark.django_db
def test_the_link_is_mailed_and_shown_for_handing_over(settings: Any) -> None:
    settings.EMAIL_IS_ON, settings.EMAIL_FILE_PATH = True, None
    administrator()
    client = signed_in("boss")
    shown = client.post(reverse("console-invitations"), {"do": "invite", **WHOM})
    page = shown.content.decode()
    link = page.partition('<output id="link">')[2].partition("</output>")[0]
    assert shown["Cache-Control"] == "no-store" and "mailed to nia@example.org" in page
    assert [message.to for message in mail.outbox] == [["nia@example.org"]]
    assert link in mail.outbox[0].body
    assert link not in client.get(reverse("console-invitations")).content.decode()


@pytest.mark.django_db
def test_who_has_a_login_or_left_is_not_invited() -> None:
    builders.login("auditor")
    actor = administrator()
    with pytest.raises(DomainError, match="has a login already"):
        invitations.invite(actor=actor, email="AUDITOR@example.org", name="A", roles=())
    Person.objects.create(email=WHOM["email"].lower(), name="Nia", left_at=clock.now())
    with pytest.raises(DomainError, match="person who left"):
        invitations.invite(actor=actor, roles=(), **WHOM)


def test_two_at_once_make_one_login(committed_db: str) -> None:
    _, token = invited(Role.AUDITOR)
    made: list[str] = []
    start = threading.Barrier(2)

    def accept(username: str) -> None:
        start.wait()
        try:
            login = invitations.accept_invitation(token=token, username=username, password=PASSWORD)
            made.append(login.username)
        except DomainError as refusal:
            made.append(refusal.code)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=accept, args=(name,)) for name in ("nia", "mallory")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert User.objects.exclude(username="boss").count() == 1
    assert set(made) & {"invitation_used", "no_such_invitation"}
