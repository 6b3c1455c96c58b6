"""Single sign-on against a provider over HTTP: who is matched, and who is refused."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from allauth.socialaccount.models import SocialAccount
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from django.urls import reverse

from infra import clock
from infra.models import AuditEntry, Person, User
from infra.oidc_settings import origin_of, single_sign_on
from infra.roles import Role
from tests import builders
from tests.infra.oidc_provider import Provider

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def running() -> Iterator[Provider]:
    made = Provider()
    yield made
    made.stop()


@pytest.fixture
def provider(running: Provider, settings: Any) -> Provider:
    fresh = {"asked": [], "refuses": "", "spoil": {}, "wrong_key": False}
    running.__dict__.update(fresh)
    running.subject.__init__()  # type: ignore[misc]
    settings.SOCIALACCOUNT_PROVIDERS = running.settings()
    return running


@pytest.fixture
def rosa(db: None) -> User:
    found = builders.login("rosa", Role.RELEASE_MANAGER)
    found.set_unusable_password()
    found.save(update_fields=["password"])
    return found


def came_back(client: Client, provider: Provider, path: str = "/console/board/") -> Any:
    """The whole way: the button, the provider's page, the way back."""
    leads = client.post(reverse("single-sign-on"), {"next": path})
    assert leads.status_code == 302 and leads["Location"].startswith(provider.url), leads.content
    back = requests.get(leads["Location"], allow_redirects=False, timeout=10).headers["Location"]
    assert back.startswith("http://testserver/")
    return client.get(back.removeprefix("http://testserver"))


def said(answer: Any) -> str:
    assert answer.status_code == 403, answer.content
    return answer.content.decode()


def test_a_known_address_comes_in_and_is_tied_to_the_subject(
    provider: Provider, rosa: User
) -> None:
    client = Client()
    answer = came_back(client, provider)
    assert answer["Location"] == "/console/board/"
    assert client.session["_auth_user_id"] == str(rosa.pk)
    asked = provider.asked[0]
    assert asked["code_challenge_method"] == "S256" and asked["max_age"] == "43200"
    assert AuditEntry.objects.filter(action="login.tied_to_single_sign_on").count() == 1
    # From now on the subject counts: the address may change.
    provider.subject.email = "rosa.meyer@example.org"
    again = Client()
    came_back(again, provider)
    assert again.session["_auth_user_id"] == str(rosa.pk)


def test_nobody_is_made_by_it(provider: Provider, rosa: User) -> None:
    provider.subject.email = "stranger@example.org"
    before = (User.objects.count(), Person.objects.count(), SocialAccount.objects.count())
    page = said(came_back(Client(), provider))
    assert "Nobody here has the address stranger@example.org" in page
    assert (User.objects.count(), Person.objects.count(), SocialAccount.objects.count()) == before


def test_an_unverified_address_matches_nobody(provider: Provider, rosa: User) -> None:
    provider.subject.email_verified = False
    assert "no verified e-mail address" in said(came_back(Client(), provider))


def test_another_subject_with_the_same_address_is_refused(provider: Provider, rosa: User) -> None:
    came_back(Client(), provider)
    provider.subject.sub = "u-2"
    assert "tied to another account" in said(came_back(Client(), provider))


def test_who_left_is_refused_though_known(provider: Provider, rosa: User) -> None:
    came_back(Client(), provider)
    Person.objects.filter(pk=rosa.person_id).update(left_at=clock.now())
    client = Client()
    assert "nobody who works here now" in said(came_back(client, provider))
    assert "_auth_user_id" not in client.session


@pytest.mark.parametrize(
    ("name", "value"), [("aud", "somebody-else"), ("iss", "https://evil.example"), ("sub", "u-9")]
)
def test_a_token_that_is_not_for_us_is_refused(
    provider: Provider, rosa: User, name: str, value: str
) -> None:
    provider.spoil = {name: value}
    client = Client()
    said(came_back(client, provider))
    assert "_auth_user_id" not in client.session


def test_a_token_signed_by_another_key_is_refused(provider: Provider, rosa: User) -> None:
    provider.wrong_key = True
    assert "did not come to an end" in said(came_back(Client(), provider))


def test_a_refusal_at_the_provider_is_told(provider: Provider, rosa: User) -> None:
    provider.refuses = "access_denied"
    assert "did not come to an end" in said(came_back(Client(), provider))


def test_a_forged_way_back_is_refused(provider: Provider, rosa: User) -> None:
    path = reverse("openid_connect_callback", args=["sso"])
    said(Client().get(path, {"code": "x", "state": "forged"}))


def test_a_session_at_the_provider_that_is_old_decides_nothing(
    provider: Provider, rosa: User
) -> None:
    provider.subject.auth_time = int(time.time()) - 13 * 3600
    client = Client()
    came_back(client, provider)
    old = client.get(reverse("console-my-sign-in"))
    assert old.status_code == 200
    body = {"do": "app"}
    assert client.post(reverse("console-my-sign-in"), body).status_code == 403
    provider.subject.auth_time = int(time.time()) - 60
    came_back(client, provider)
    assert client.post(reverse("console-my-sign-in"), body).status_code == 302


def test_a_provider_that_is_away_is_said(provider: Provider, settings: Any) -> None:
    apps = provider.settings()
    apps["openid_connect"]["APPS"][0]["settings"]["server_url"] = "http://127.0.0.1:9"
    settings.SOCIALACCOUNT_PROVIDERS = apps
    answer = Client().post(reverse("single-sign-on"))
    assert answer.status_code == 502 and "does not answer" in answer.content.decode()


def test_without_settings_there_is_no_single_sign_on() -> None:
    assert "single sign-on" not in Client().get(reverse("admin:login")).content.decode()
    assert Client().post(reverse("single-sign-on")).status_code == 404


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert single_sign_on(60) == {}
    monkeypatch.setenv("SLIPWAY_OIDC_ISSUER", "http://id.example.org")
    with pytest.raises(ImproperlyConfigured, match="https"):
        single_sign_on(60)
    monkeypatch.setenv("SLIPWAY_OIDC_ISSUER", "https://id.example.org/realm/")
    with pytest.raises(ImproperlyConfigured, match="CLIENT_ID"):
        single_sign_on(60)
    monkeypatch.setenv("SLIPWAY_OIDC_CLIENT_ID", "slipway")
    made = single_sign_on(60)
    app = made["openid_connect"]["APPS"][0]
    assert (
        app["settings"]["oauth_pkce_enabled"] and app["settings"]["auth_params"]["max_age"] == "60"
    )
    assert origin_of(made) == ["https://id.example.org"]
