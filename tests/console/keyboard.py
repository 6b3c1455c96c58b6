"""Walking a page with the keyboard alone: Tab from its start, and the key each action takes."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page

SCRIPT = Path(__file__).with_suffix(".js").read_text()
# More stops than any page has: a walk that is longer goes in circles.
_LIMIT = 900


def walked(page: Page, inside: str = "body") -> tuple[int, list[str]]:
    """How many stops a page, or the part of it that has the focus, has; what is wrong on the way.

    Opens whatever opens, presses every link and button (a guard keeps the page where it is), and
    complains of what Tab misses, leaves unmarked or out of sight, and of what only a mouse works.
    """
    page.evaluate("keyboard.start", [inside, False])
    for _ in range(_LIMIT):
        page.keyboard.press("Tab")
        key = page.evaluate("keyboard.stop()")
        if key is None:
            return _found(page)
        if key:
            page.keyboard.press(key)
    return _found(page, "the walk never ends")


def passed_through(page: Page, inside: str = "body") -> tuple[int, list[str]]:
    """Like `walked`, with Tab alone; of a page, or of an open panel that has the focus."""
    page.evaluate("keyboard.start", [inside, True])
    for _ in range(_LIMIT // 8):
        for _ in range(8):
            page.keyboard.press("Tab")
        if page.evaluate("keyboard.isOver()"):
            return _found(page)
    return _found(page, "the walk never ends")


def _found(page: Page, *more: str) -> tuple[int, list[str]]:
    n_stops, complaints = page.evaluate("keyboard.found()")
    return n_stops, [*complaints, *more]


def tab_to(page: Page, selector: str, key: str = "Tab") -> None:
    """Press Tab (or Shift+Tab) until the element is reached."""
    wanted = page.locator(selector).first.element_handle()
    for _ in range(_LIMIT):
        if wanted.evaluate("(e) => e === document.activeElement"):
            return
        page.keyboard.press(key)
    raise AssertionError(f"{key} does not reach {selector}")


def unframed(page: Page) -> list[str]:
    """What a page lacks around its content: the way past the menu, its name, its landmarks."""
    (h1, *others), marks = page.evaluate("keyboard.headings()"), page.evaluate("keyboard.marks()")
    found = [f"more than one h1: {others}"] if others else []
    # A browser leaves control characters out of a title, and keeps them in text.
    if page.title() != f"{''.join(c for c in h1 if ord(c) >= 32)} · Slipway":
        found.append(f"the title is {page.title()!r}, the heading {h1!r}")
    if marks["main"] != 1 or marks["h1 in main"] != 1:
        found.append(f"no one main that holds the heading: {marks}")
    if marks["unnamed"] or (marks["menu"] and not marks["header"]):
        found.append(f"landmarks: {marks}")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Shift+Tab")
    tab_to(page, ".sw-skip")
    page.keyboard.press("Enter")
    if page.evaluate("document.activeElement.id") != "main":
        found.append("the skip link does not lead to main")
    return found
