"""The brief, the board and the palette, worked by keyboard alone in Chromium."""

from __future__ import annotations

import pytest
from django.urls import reverse
from playwright.sync_api import Browser, Page

from tests.console.conftest import Site
from tests.console.visits import visiting

pytestmark = pytest.mark.browser
CHOSEN = "[role=option][aria-selected=true]"


def _typed(page: Page, text: str) -> None:
    page.keyboard.press("Control+k")
    page.wait_for_selector("dialog[open] [role=option]")
    page.keyboard.type(text)


def test_palette_brief_and_board_by_keyboard(browser: Browser, site: Site) -> None:
    candidate = site.world.candidate
    with visiting(browser, site, "admin") as visit:
        page = visit.page
        # What waits is one click away.
        first = page.locator("#waits a").first
        assert first.get_attribute("href") == reverse(
            "console-promotion", args=[site.world.waiting.pk]
        )
        _typed(page, candidate.name)
        page.wait_for_selector(f"{CHOSEN} >> text={candidate.name}")
        field = page.locator("[role=combobox]")
        assert field.get_attribute("aria-expanded") == "true"
        assert field.get_attribute("aria-activedescendant") == "palette-0"
        page.keyboard.press("ArrowDown")
        assert field.get_attribute("aria-activedescendant") == "palette-1"
        page.keyboard.press("ArrowUp")
        page.keyboard.press("Enter")
        page.wait_for_url(f"**{reverse('console-checkpoint', args=[candidate.pk])}")
        # Nothing found is said; Escape leads back to what had the focus.
        page.focus("#main a")
        _typed(page, "nothing is called so")
        page.wait_for_selector("dialog [role=status] >> text=Nothing is called that.")
        page.keyboard.press("Escape")
        page.wait_for_selector("dialog", state="hidden")
        assert page.evaluate("document.activeElement.closest('#main') !== null")
        # From a node of the board to the form that promotes into it.
        visit.open(reverse("console-board"))
        page.locator("a[aria-label='Promote into closed-alpha']").focus()
        page.keyboard.press("Enter")
        page.wait_for_selector("#promote select")
        assert "closed-alpha" in page.inner_text("#promote h2")
        assert not visit.problems()
