"""The vote by key and by thumb, and a page that tells nothing of who answered."""

from __future__ import annotations

import pytest
from django.urls import reverse
from playwright.sync_api import Browser

from tests.console.conftest import Site
from tests.console.visits import pages_of, visiting

pytestmark = pytest.mark.browser


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


def test_its_pages_are_whole_at_both_widths(browser: Browser, site: Site) -> None:
    found = {}
    with visiting(browser, site, "admin") as visit:
        for name in ("side by sides", "side by side", "blind votes"):
            visit.open(pages_of(site.world)[name])
            problems = visit.problems()
            visit.page.set_viewport_size({"width": 390, "height": 900})
            found[name] = problems + visit.problems()
            visit.page.set_viewport_size({"width": 1280, "height": 900})
    assert not any(found.values()), found
