"""The inbox by its keys alone, in a browser."""

from __future__ import annotations

import pytest
from django.urls import reverse
from playwright.sync_api import Browser, expect

from tests.console.conftest import Site
from tests.console.visits import visiting

pytestmark = pytest.mark.browser


def test_keys_walk_the_inbox_and_open_what_is_asked(browser: Browser, site: Site) -> None:
    with visiting(browser, site, "admin") as visit:
        page = visit.page
        visit.open(reverse("console-feedback") + "?state=")
        page.keyboard.press("j")
        rows = page.locator("[data-row]")
        expect(rows.first).to_be_focused()
        page.keyboard.press("j")
        expect(rows.nth(1)).to_be_focused()
        page.keyboard.press("k")
        expect(rows.first).to_be_focused()
        page.keyboard.press("t")
        page.wait_for_url("**#key-t")
        graded = page.locator("details[data-key=t]")
        expect(graded).to_have_attribute("open", "")
        expect(graded.locator("select").first).to_be_focused()
        # Whoever writes writes: no key is taken from a field.
        graded.locator("input[name=labels]").focus()
        page.keyboard.type("alfx")
        expect(graded.locator("input[name=labels]")).to_have_value("alfx")
        page.locator("h1").click()
        page.keyboard.press("?")
        expect(page.get_by_label("Use these keys")).to_be_visible()
        page.get_by_label("Use these keys").uncheck()
        page.locator("h1").click()
        page.keyboard.press("u")
        expect(page.locator("details[data-key=t]")).to_have_count(1)
        page.get_by_label("Use these keys").check()
        page.locator("h1").click()
        page.keyboard.press("u")
        page.wait_for_url("**" + reverse("console-feedback"))
        assert visit.problems() == []


@pytest.mark.long
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_inboxs_pages_fit_and_complain_of_nothing(
    browser: Browser, site: Site, width: int, theme: str
) -> None:
    pages = [
        reverse("console-feedback") + "?state=",
        reverse("console-feedback-import"),
        reverse("console-feedback-groups"),
        reverse("console-feedback-item", args=[site.world.feedback.pk]),
        reverse("console-finding", args=[site.world.finding.pk]),
        reverse("console-notice", args=[site.world.notice.pk]),
    ]
    with visiting(browser, site, "admin", width=width, theme=theme) as visit:
        for path in pages:
            visit.open(path)
            assert visit.problems() == [], path
