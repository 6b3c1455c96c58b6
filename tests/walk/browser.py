"""Chromium as a person at the console."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page, sync_playwright

from tests.walk.product import Product

SLOWEST_MS = 15_000


class Browser:
    """One person's windows at a time; `problems` holds what the pages' scripts complained of."""

    def __init__(self, chromium: Chromium, product: Product) -> None:
        self._chromium, self._product = chromium, product
        self.problems: list[str] = []

    def sign_in(self, role: str) -> Page:
        """The console's first page, in a fresh session of that member of the cast."""
        login = self._product.facts["users"][role]
        context = self._chromium.new_context(base_url=self._product.url)
        context.set_default_timeout(SLOWEST_MS)
        page = context.new_page()
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("console", lambda said: self._note(said.type, said.text))
        page.goto("/console/")
        page.get_by_label("Username").fill(login["username"])
        page.get_by_label("Password").fill(login["password"])
        page.get_by_role("button", name="Sign in", exact=True).click()
        page.wait_for_url("**/console/")
        return page

    def _note(self, kind: str, text: str) -> None:
        # A refused form is shown with its own 4xx, which Chromium logs as a failed load.
        if kind == "error" and "Failed to load resource" not in text:
            self.problems.append(text)


@contextmanager
def chromium(product: Product) -> Iterator[Browser]:
    """A headless Chromium; the test is skipped where there is none, unless one is required."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        if os.environ.get("SLIPWAY_REQUIRE_BROWSER") == "1":
            pytest.fail("SLIPWAY_REQUIRE_BROWSER is set, and no chromium is on the path")
        pytest.skip("no chromium on the path: install it to run the browser tests")
    with sync_playwright() as playwright:
        # Chromium's sandbox refuses to run as root.
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        running = playwright.chromium.launch(executable_path=program, args=options)
        yield Browser(running, product)
        running.close()
