"""Every action of every page by the keyboard alone."""

from __future__ import annotations

import pytest
from django.urls import reverse
from playwright.sync_api import Browser

from tests.console.conftest import Site
from tests.console.keyboard import unframed, walked
from tests.console.visits import pages_of, visiting

pytestmark = pytest.mark.browser


def test_keyboard_reaches_and_works_every_action(browser: Browser, site: Site) -> None:
    found: list[str] = []
    with visiting(browser, site, "admin") as visit:
        for name, path in pages_of(site.world).items():
            visit.open(path)
            n_stops, complaints = walked(visit.page)
            found += [f"{name}: {complaint}" for complaint in complaints]
            if n_stops < 3:
                found.append(f"{name}: only {n_stops} stops")
    assert not found, "\n".join(found)


def test_every_page_has_a_skip_link_one_heading_and_landmarks(browser: Browser, site: Site) -> None:
    found: list[str] = []
    with visiting(browser, site, "admin") as visit:
        for name, path in pages_of(site.world).items():
            visit.open(path)
            found += [f"{name}: {problem}" for problem in unframed(visit.page)]
        visit.page.context.clear_cookies()
        visit.open(reverse("admin:login"))
        found += [f"sign-in: {problem}" for problem in unframed(visit.page)]
    assert not found, "\n".join(found)
