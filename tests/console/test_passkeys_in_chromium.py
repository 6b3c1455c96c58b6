"""Passkeys in Chromium, by its virtual authenticator: added, signed in with, asked for again."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Browser, Page

from tests.builders import PASSWORD
from tests.console.conftest import Site
from tests.console.visits import Visit, visiting

pytestmark = pytest.mark.browser


def test_a_passkey_is_added_signs_in_alone_and_confirms(browser: Browser, site: Site) -> None:
    # A passkey is of a host name: an address such as 127.0.0.1 has none.
    named = Site(url=site.url.replace("127.0.0.1", "localhost"), world=site.world)
    with visiting(browser, named, "auditor") as visit:
        page = visit.page
        with_authenticator(page)
        visit.open(reverse("console-my-sign-in"))
        page.fill("#passkey-name", "Test laptop")
        page.click("button:text-is('Add a passkey')")
        codes = page.inner_text("#recovery").split("\n")
        assert len([code for code in codes if code.strip()]) == 10
        assert "Test laptop" in page.inner_text("#main")
        assert not visit.problems()
        sign_out(visit)
        page.click("#use-passkey")
        page.wait_for_url(named.url + reverse("admin:index"))
        assert not visit.problems()
        visit.open(f"{reverse('console-sign-in-again')}?next={reverse('console-board')}")
        page.click("#use-passkey")
        page.wait_for_url(named.url + reverse("console-board"))
        # After the password the passkey is the second proof.
        sign_out(visit)
        page.fill("#id_username", "auditor")
        page.fill("#id_password", PASSWORD)
        page.click("button:text-is('Sign in')")
        page.wait_for_url("**/sign-in/second-step/")
        page.click("#use-passkey")
        page.wait_for_url(named.url + reverse("admin:index"))
        assert not visit.problems()
        visit.open(reverse("console-my-sign-in"))
        page.click("button:text-is('Remove')")
        assert "signs you in no longer" in page.inner_text("[role=status]")
        sign_out(visit)
        page.click("#use-passkey")
        page.wait_for_selector("text=not known here")


def with_authenticator(page: Page) -> None:
    """A device with a fingerprint that always fits."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    options: dict[str, Any] = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})


def sign_out(visit: Visit) -> None:
    visit.page.context.clear_cookies()
    visit.open(reverse("admin:login"))
