"""Every page in Chromium: two widths, light and dark, strict script policy."""

from __future__ import annotations

import pytest
from django.urls import reverse
from playwright.sync_api import Browser

from alpha.models import Grant
from tests.builders import PASSWORD
from tests.console.accessibility import violations
from tests.console.conftest import Site
from tests.console.test_story_in_chromium import asked, submit
from tests.console.visits import Visit, pages_of, partner_pages, visiting
from tests.console.world import PARTNER_PERSON

pytestmark = pytest.mark.browser
WIDTHS = (1280, 390)


@pytest.mark.parametrize("theme", ["light", pytest.param("dark", marks=pytest.mark.long)])
def test_every_page_is_whole_at_1280_and_at_390(browser: Browser, site: Site, theme: str) -> None:
    found: dict[str, list[str]] = {}
    with visiting(browser, site, "admin", WIDTHS[0], theme) as visit:
        for name, path in pages_of(site.world).items():
            visit.open(path)
            problems = [] if visit.page.locator(f"html.{theme}").count() else [f"is not {theme}"]
            for width in WIDTHS:
                visit.page.set_viewport_size({"width": width, "height": 900})
                problems += [f"at {width}: {problem}" for problem in visit.problems()]
            problems += violations(visit.page)
            if problems:
                found[name] = problems
    assert not found


def test_theme_switch_is_kept(browser: Browser, site: Site) -> None:
    with visiting(browser, site, "auditor") as visit:
        page = visit.page
        page.click(".sw-user summary")
        page.click("text=Dark")
        assert page.locator("html").get_attribute("class") == "dark"
        visit.open(reverse("console-board"))
        assert page.locator("html").get_attribute("class") == "dark"
        assert not visit.problems()


def test_menu_opens_and_closes_on_a_phone(browser: Browser, site: Site) -> None:
    with visiting(browser, site, "auditor", 390) as visit:
        page = visit.page
        assert not page.locator("#menu").is_visible()
        page.click("#menu-opener")
        page.wait_for_selector("#menu", state="visible")
        page.keyboard.press("Escape")
        page.wait_for_selector("#menu", state="hidden")
        page.click("#menu-opener")
        page.click("#menu >> text=Board")
        page.wait_for_url("**/board/")
        assert not visit.problems()


def test_sign_in_by_a_wrong_password_and_by_the_right_one(browser: Browser, site: Site) -> None:
    with visiting(browser, site, "auditor") as visit:
        page = visit.page
        page.context.clear_cookies()
        visit.open(reverse("console-audit"))
        assert "/login/" in page.url
        page.fill("#id_username", "auditor")
        page.fill("#id_password", "not it")
        page.click("button[type=submit]")
        assert "correct" in page.inner_text("[role=alert]")
        page.fill("#id_password", PASSWORD)
        page.click("button[type=submit]")
        page.wait_for_url(f"**{reverse('console-audit')}")
        assert not visit.problems()


def test_api_docs_work_under_the_same_policy(browser: Browser, site: Site) -> None:
    with visiting(browser, site, "auditor") as visit:
        visit.open(reverse("docs"))
        visit.page.wait_for_selector(".opblock", timeout=20_000)
        assert not [p for p in visit.problems() if not p.startswith("raw")]


def test_a_vote_by_thumb_and_by_key(browser: Browser, site: Site) -> None:
    path = reverse("console-preference", args=[site.world.side_by_side.pk])
    with visiting(browser, site, "admin", 390) as visit:
        visit.open(path)
        page = visit.page
        for button in page.locator(".sw-vote button").all():
            box = button.bounding_box()
            assert box["height"] >= 44 and box["width"] >= 120
            assert 0 <= box["y"] and box["y"] + box["height"] <= 844, "in reach without scrolling"
        assert not visit.problems()
        # A digit in the comment is text; a key with another is no vote.
        page.fill("#vote-comment", "")
        page.type("#vote-comment", "1 of 2")
        page.keyboard.press("Tab")
        page.keyboard.press("Control+2")
        assert page.url.endswith(path) and page.locator(".sw-vote").count() == 1
        page.locator("h1").click()
        page.keyboard.press("2")
        page.wait_for_selector("text=Your vote is kept")
        assert page.locator(".sw-vote").count() == 0
        assert "1 of 2" in page.inner_text("#main")
        assert not visit.problems()


def as_partner(visit: Visit) -> None:
    """The same window, signed in for the partner."""
    visit.page.context.clear_cookies()
    visit.open(reverse("partner-sign-in"))
    visit.page.fill("#sign-in-email", PARTNER_PERSON)
    visit.page.fill("#sign-in-password", PASSWORD)
    submit(visit.page, "button.sw-button-main")


def test_every_page_of_a_partner_is_whole_at_1280_and_at_390(browser: Browser, site: Site) -> None:
    found: dict[str, list[str]] = {}
    names = (site.world.candidate.name, site.world.incumbent.name)
    with visiting(browser, site, "auditor") as visit:
        as_partner(visit)
        for name, path in partner_pages().items():
            visit.open(path)
            problems = [f"shows {each}" for each in names if each in visit.page.content()]
            for width in (1280, 390):
                visit.page.set_viewport_size({"width": width, "height": 900})
                problems += [f"at {width}: {problem}" for problem in visit.problems()]
            if problems:
                found[name] = problems
        visit.open(reverse("admin:index"))
        assert "/login/" in visit.page.url
    assert not found


def test_one_partner_loses_one_codename_from_its_cell_by_keyboard(
    browser: Browser, site: Site
) -> None:
    """From the first page: Partners, the cell, Revoke, and the word why."""
    with visiting(browser, site, "partner_manager") as visit:
        page = visit.page
        submit(page, "#menu >> text=Partners")
        cell = page.locator("a.sw-matrix-cell").first
        cell.focus()
        page.keyboard.press("Enter")
        page.wait_for_selector("dialog[open]")
        page.keyboard.press("Escape")
        page.wait_for_selector("dialog", state="detached")
        assert cell.evaluate("cell => cell === document.activeElement")
        page.keyboard.press("Enter")
        page.locator("dialog summary", has_text="Revoke").click()
        effect = page.inner_text("dialog .sw-effect")
        assert "1 person and 1 key of acme lose quasar-alpha now" in effect
        page.fill("dialog #revoke-why", "The pilot is over.")
        submit(page, "dialog .sw-button-danger")
        assert "is revoked" in page.inner_text("#main")
        assert "no access" in page.locator("a.sw-matrix-cell").first.inner_text()
        assert not visit.problems()
    grants = Grant.objects.filter(partner=site.world.partner, stage=site.world.alpha)
    assert asked(lambda: grants.get().revoke_reason) == "The pilot is over."
