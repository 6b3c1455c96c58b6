"""The partners' page that compares: asked in Chromium, answered by a real gateway."""

from __future__ import annotations

import pytest
from django.urls import reverse
from playwright.sync_api import Page, Route, expect, sync_playwright

from alpha.models import PreferenceVote, UsageEvent
from tests.alpha.gateway.server import Running, wait_for
from tests.alpha.gateway.test_preferences import arms, gateway, other_upstream  # noqa: F401
from tests.alpha.gateway.two_arms import CANDIDATE_MODEL, TwoArms
from tests.alpha.test_partner_logins import PASSWORD, person
from tests.console.conftest import FLAGS, _served, chromium  # noqa: F401

pytestmark = [pytest.mark.browser, pytest.mark.long]


def forward(page: Page, gateway_url: str) -> None:
    """As in one product: what the page asks of /v1 reaches the gateway."""

    def to_gateway(route: Route) -> None:
        path = route.request.url.split("/v1", 1)[1]
        route.fulfill(response=route.fetch(url=gateway_url + path))

    page.route("**/v1/**", to_gateway)


def sign_in(page: Page, url: str, email: str) -> None:
    page.goto(url + reverse("partner-compare"))
    page.fill("#sign-in-email", email)
    page.fill("#sign-in-password", PASSWORD)
    page.click("button.sw-button-main")
    page.wait_for_url(f"{url}{reverse('partner-compare')}")


def test_a_partners_person_asks_both_and_votes_by_a_key(
    arms: TwoArms,  # noqa: F811
    gateway: Running,  # noqa: F811
    chromium: str,  # noqa: F811
) -> None:
    login = person(arms.granted.partner)
    with _served() as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": 390, "height": 844})
        forward(page, gateway.url)
        sign_in(page, url, login.email)
        page.fill("#ask-key", "slw_not_mine")
        page.fill("#ask-prompt", "Which tables?")
        page.click("text=Ask both")
        expect(page.locator("#ask-state")).to_contain_text("Incorrect API key")
        page.fill("#ask-key", arms.granted.key_text)
        page.click("text=Ask both")
        expect(page.locator("#answers")).to_be_visible()
        said = [page.inner_text(f"#answer-{place}") for place in "ab"]
        page.keyboard.press("2")
        expect(page.locator("td:has-text('B is better')")).to_have_count(1)
        shown = page.content()
        # The key was typed, and is kept nowhere.
        kept = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
        browser.close()
    assert "The tuned answer" in said and len(set(said)) == 2
    assert PreferenceVote.objects.get().choice == "b"
    wait_for(lambda: UsageEvent.objects.filter(endpoint="preferences").count() == 2, "metered")
    for hidden in (arms.granted.checkpoint.name, arms.candidate.name, CANDIDATE_MODEL):
        assert hidden not in shown
    assert arms.granted.key_text not in shown + kept
