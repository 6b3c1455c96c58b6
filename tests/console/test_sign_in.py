"""Signing in: password, second proof, lock-out, sessions, and proving it again for a decision."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.conf import settings as configured
from django.test import Client
from django.urls import reverse

from infra import browser_sessions, clock, lockouts
from infra.console import menu
from infra.models import AuditEntry, SignInFailures, User
from infra.roles import Role
from infra.sign_ins import is_recent
from tests import builders
from tests.console.visits import signed_in

pytestmark = pytest.mark.django_db
LOGIN, AGAIN, MINE = "admin:login", "console-sign-in-again", "console-my-sign-in"
# The quick hasher of the tests; the real one is as slow on purpose.
RIGHT, WRONG = builders.PASSWORD, "not-the-password-1"


def give(client: Client, username: str, password: str, **extra: str) -> Any:
    return client.post(reverse(LOGIN), {"username": username, "password": password, **extra})


def code_of(secret: str, steps: int = 0) -> str:
    """What an app shows now, or so many steps of 30 seconds later."""
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30 + steps))


def turned_on(client: Client) -> tuple[str, list[str]]:
    """The secret of a new app and the recovery codes, read off the page as a person does."""
    page = client.post(reverse(MINE), {"do": "app"}, follow=True).content.decode()
    secret = page.partition("Type this key: <code>")[2].partition("</code>")[0].replace(" ", "")
    shown = client.post(reverse(MINE), {"do": "app_on", "code": code_of(secret, -1)})
    assert shown.status_code == 200 and shown["Cache-Control"] == "no-store"
    text = shown.content.decode().partition('class="sw-codes">')[2].partition("</output>")[0]
    return secret, text.split("\n")[:-1]


def is_in(client: Client) -> bool:
    return client.get(reverse(MINE)).status_code == 200


def test_the_session_key_changes_and_next_stays_here() -> None:
    builders.login("auditor")
    client = Client()
    session = client.session
    session["kept"] = 1
    session.save()
    before = session.session_key
    client.cookies[configured.SESSION_COOKIE_NAME] = before
    answer = give(client, "auditor", RIGHT, next="https://evil.example/")
    assert answer["Location"] == reverse("admin:index")
    assert client.session.session_key != before
    inside = client.session.session_key
    client.post(reverse(AGAIN), {"password": RIGHT, "next": reverse(MINE)})
    assert client.session.session_key != inside and is_in(client)
    assert client.cookies[configured.SESSION_COOKIE_NAME]["httponly"]


def test_an_app_is_asked_after_the_password_and_each_code_once() -> None:
    builders.login("auditor")
    client = signed_in("auditor")
    secret, codes = turned_on(client)
    assert len(codes) == 10
    fresh = Client()
    asked = give(fresh, "auditor", RIGHT, next=reverse("console-board"))
    assert asked["Location"] == reverse("mfa_authenticate") and not is_in(fresh)
    step = reverse("mfa_authenticate")
    assert b"auditor" in fresh.get(step).content
    # The code that turned it on is used up.
    assert fresh.post(step, {"code": code_of(secret, -1)}).status_code == 400
    assert fresh.post(step, {"code": "garbage \x1b"}).status_code == 400
    # No password stands in for the second proof.
    assert fresh.post(step, {"password": RIGHT}).status_code == 400
    done = fresh.post(step, {"code": code_of(secret)})
    assert done["Location"] == reverse("console-board") and is_in(fresh)
    other = Client()
    give(other, "auditor", RIGHT)
    assert other.post(step, {"code": code_of(secret)}).status_code == 400
    assert other.post(step, {"code": codes[0]}).status_code == 302 and is_in(other)
    third = Client()
    give(third, "auditor", RIGHT)
    assert third.post(step, {"code": codes[0]}).status_code == 400


def test_secrets_of_apps_are_sealed_and_changes_are_audited() -> None:
    login = builders.login("auditor")
    client = signed_in("auditor")
    secret, codes = turned_on(client)
    assert secret not in str(list(Authenticator.objects.values_list("data", flat=True)))
    page = client.get(reverse(MINE)).content.decode()
    assert secret not in page and codes[0] not in page
    newer = client.post(reverse(MINE), {"do": "codes"}).content.decode()
    assert codes[0] not in newer
    assert client.post(reverse(MINE), {"do": "app_off"}).status_code == 302
    assert not Authenticator.objects.filter(user=login).exists()
    told = AuditEntry.objects.filter(action__startswith="second_factor.").order_by("seq")
    assert [row.action for row in told] == [
        "second_factor.totp_added",
        "second_factor.codes_made",
        "second_factor.totp_removed",
    ]


def test_a_wrong_code_turns_nothing_on() -> None:
    builders.login("auditor")
    client = signed_in("auditor")
    client.post(reverse(MINE), {"do": "app"})
    answer = client.post(reverse(MINE), {"do": "app_on", "code": "000000"})
    assert answer.status_code == 400 and "does not fit" in answer.content.decode()
    assert not Authenticator.objects.exists()


@pytest.mark.parametrize("proof", ["password", "code"])
def test_a_decision_takes_a_password_or_a_code(proof: str) -> None:
    builders.login("auditor")
    client = signed_in("auditor")
    secret, _ = turned_on(client)
    body = {"do": "codes"}
    later = timedelta(seconds=configured.REAUTHENTICATE_WITHIN_S + 1)
    with clock.moved_by(later):
        assert client.post(reverse(MINE), body).status_code == 403
        wrong = client.post(reverse(AGAIN), {proof: "000000", "next": reverse(MINE)})
        assert wrong.status_code == 400
        right = {"password": RIGHT, "code": code_of(secret)}[proof]
        good = client.post(reverse(AGAIN), {proof: right, "next": reverse(MINE)})
        assert good["Location"] == reverse(MINE)
        assert client.post(reverse(MINE), body).status_code == 200


def test_failures_lock_a_login_and_an_unknown_one_alike() -> None:
    builders.login("auditor")
    answers = {}
    for name in ("auditor", "nobody-at-all"):
        client = Client(REMOTE_ADDR="192.0.2.7")
        told = [give(client, name, WRONG).content.decode() for _ in range(6)]
        assert "correct" in told[4] and "Too many failed attempts" in told[5]
        answers[name] = told[5].partition('role="alert">')[2].partition("</p>")[0]
        # The right password is not looked at while it is locked.
        assert "Too many" in give(client, name, RIGHT).content.decode()
    assert len(set(answers.values())) == 1
    kept = AuditEntry.objects.filter(action="sign_in.locked").values_list("object_name", flat=True)
    assert set(kept) == {"login auditor", "a login that does not exist"}
    assert not SignInFailures.objects.filter(subject__contains="nobody").exists()
    with clock.moved_by(timedelta(seconds=configured.LOCKOUT_S + 1)):
        assert give(Client(), "auditor", RIGHT).status_code == 302


def test_failures_lock_an_address_whatever_the_logins(settings: Any) -> None:
    settings.LOCKOUT_ADDRESS_AFTER = 3
    builders.login("auditor")
    for n in range(3):
        give(Client(REMOTE_ADDR="2001:db8::1"), f"guess-{n}", WRONG)
    # One machine has its whole /64.
    near = give(Client(REMOTE_ADDR="2001:db8::ffff"), "auditor", RIGHT)
    assert "Too many" in near.content.decode()
    assert give(Client(REMOTE_ADDR="2001:db8:0:1::1"), "auditor", RIGHT).status_code == 302


def test_guessing_codes_is_counted_though_the_password_is_right() -> None:
    builders.login("auditor")
    turned_on(signed_in("auditor"))
    step, statuses = reverse("mfa_authenticate"), []
    for _ in range(6):
        client = Client()
        if give(client, "auditor", RIGHT).status_code == 302:
            answer = client.post(step, {"code": "123456"})
            statuses.append(answer.status_code)
    assert statuses == [400] * 5
    assert lockouts.locks().count() == 1


def test_a_right_password_forgets_earlier_failures() -> None:
    builders.login("auditor")
    for _ in range(3):
        for _ in range(4):
            give(Client(), "auditor", WRONG)
        assert give(Client(), "auditor", RIGHT).status_code == 302


def test_an_administrator_lifts_a_lock_with_a_reason() -> None:
    builders.cast()
    boss = builders.login("boss")
    User.objects.filter(pk=boss.pk).update(is_superuser=True)
    for _ in range(5):
        give(Client(), "auditor", WRONG)
    row = lockouts.locks().get()
    body = {"do": "lift", "id": row.pk, "reason": "She called from her desk."}
    page = reverse("console-sign-in-locks")
    assert signed_in("release_manager").post(page, body).status_code == 403
    assert signed_in("boss").post(page, body).status_code == 302
    assert give(Client(), "auditor", RIGHT).status_code == 302
    told = AuditEntry.objects.get(action="sign_in.unlocked")
    assert told.reason == body["reason"] and told.actor_name == "Boss"


def test_sessions_are_listed_and_ended_there() -> None:
    builders.login("auditor")
    here, there = signed_in("auditor"), Client(HTTP_USER_AGENT="curl/8.5")
    give(there, "auditor", RIGHT)
    assert is_in(there)
    login = User.objects.get(username="auditor")
    found = browser_sessions.sessions_of(login, here.session.session_key)
    assert [row.is_this_one for row in found] == [True, False]
    assert found[1].device == "curl" and found[1].address == "127.0.0.1"
    answer = here.post(reverse(MINE), {"do": "end", "id": found[1].id}, follow=True)
    assert "signed out there (curl)" in answer.content.decode()
    assert not is_in(there) and is_in(here)
    assert here.post(reverse(MINE), {"do": "end", "id": found[1].id}).status_code == 404


def test_nobody_ends_the_session_of_another() -> None:
    builders.login("engineer")
    theirs = signed_in("engineer")
    builders.login("auditor")
    mine = signed_in("auditor")
    row = browser_sessions.sessions_of(User.objects.get(username="engineer"), None)[0]
    assert mine.post(reverse(MINE), {"do": "end", "id": row.id}).status_code == 404
    assert mine.post(f"/api/my-sessions/{row.id}/end/").status_code == 404
    assert is_in(theirs)


def test_last_seen_is_written_at_most_once_a_minute() -> None:
    login = builders.login("auditor")
    client = signed_in("auditor")
    began = browser_sessions.sessions_of(login, None)[0].last_seen_at
    is_in(client)
    with clock.moved_by(timedelta(seconds=30)):
        is_in(client)
        assert browser_sessions.sessions_of(login, None)[0].last_seen_at == began
    with clock.moved_by(timedelta(seconds=90)):
        is_in(client)
        assert browser_sessions.sessions_of(login, None)[0].last_seen_at > began


def test_a_role_that_needs_a_second_factor_reaches_nothing_without(settings: Any) -> None:
    settings.MFA_ROLES = frozenset({Role.RELEASE_MANAGER.value})
    builders.cast()
    client = signed_in("release_manager")
    board = reverse("console-board")
    assert client.get(board)["Location"] == reverse(MINE)
    refused = client.get("/api/roles/")
    assert refused.status_code == 403 and refused.json()["code"] == "factor_required"
    assert "Your role needs a second factor" in client.get(reverse(MINE)).content.decode()
    turned_on(client)
    assert client.get(board).status_code == 200
    assert signed_in("auditor").get(board).status_code == 200


def test_cookies_are_closed_to_scripts_and_open_connections() -> None:
    source = (configured.PROJECT_DIR / "infra/settings.py").read_text(encoding="utf-8")
    assert "SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE" in source
    assert configured.SESSION_COOKIE_HTTPONLY and configured.CSRF_COOKIE_HTTPONLY
    assert configured.SECURE == configured.BASE_URL.startswith("https://")


def test_what_allauth_keeps_is_in_no_menu_and_no_record_page() -> None:
    assert not any("account" in route or "mfa" in route for *_, route in menu.RECORDS)
    boss = builders.login("boss")
    User.objects.filter(pk=boss.pk).update(is_superuser=True)
    client = signed_in("boss")
    for path in ("mfa/authenticator", "socialaccount/socialapp", "account/emailaddress"):
        assert client.get(f"/console/{path}/").status_code == 404


def test_a_passkey_of_nobody_is_refused() -> None:
    for credential in ("", "{}", "[]", "null", '{"response": {"userHandle": "eA"}}', "{"):
        answer = Client().post(reverse("passkey-sign-in"), {"credential": credential})
        assert answer.status_code == 400
        assert "_auth_user_id" not in answer.client.session


def test_a_session_without_a_proof_is_not_recent(rf: Any) -> None:
    request = rf.get("/")
    request.session = {}
    assert not is_recent(request)
