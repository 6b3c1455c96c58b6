"""Every page in Chromium: two widths, light and dark, strict script policy."""

from __future__ import annotations

import pytest
from django.urls import reverse
from playwright.sync_api import Browser

from tests.builders import PASSWORD
from tests.console.accessibility import violations
from tests.console.conftest import Site
from tests.console.visits import pages_of, visiting

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
