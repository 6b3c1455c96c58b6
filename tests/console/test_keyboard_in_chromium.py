"""Every action of every page by the keyboard alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.urls import reverse
from playwright.sync_api import Browser, Page

from tests.console.conftest import Site
from tests.console.keyboard import passed_through, tab_to, unframed, walked
from tests.console.visits import Visit, pages_of, visiting

pytestmark = pytest.mark.browser
Problems = Callable[[Visit, str], list[str]]
# Where a slip costs most; every page is walked by `make test-long`.
DECISIVE = ("promotion", "line", "labelling", "partner", "notice")
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


def test_keyboard_works_every_action_where_the_most_is_decided(
    browser: Browser, site: Site
) -> None:
    pages = pages_of(site.world)
    with visiting(browser, site, "admin") as visit:
        assert not _told(visit, {name: pages[name] for name in DECISIVE}, _problems_wide)


@pytest.mark.long
def test_keyboard_reaches_and_works_every_action_at_1280(browser: Browser, site: Site) -> None:
    assert not _found(browser, site, _problems_wide)


@pytest.mark.long
def test_keyboard_reaches_every_action_at_390(browser: Browser, site: Site) -> None:
    assert not _found(browser, site, _problems_narrow)


def test_keyboard_works_the_menu_at_390(browser: Browser, site: Site) -> None:
    """The menu is the same on every page: one of the console's and one of the admin's tell."""
    with visiting(browser, site, "admin") as visit:
        for path in (reverse("console-board"), reverse("admin:releases_release_changelist")):
            assert not _problems_narrow(visit, path)


def _found(browser: Browser, site: Site, problems: Problems) -> list[str]:
    """What is wrong with any page, the one to sign in among them."""
    with visiting(browser, site, "admin") as visit:
        found = _told(visit, pages_of(site.world), problems)
        visit.page.context.clear_cookies()
        found += [f"sign-in {problem}" for problem in problems(visit, reverse("admin:login"))]
    return found


def _told(visit: Visit, pages: dict[str, str], problems: Problems) -> list[str]:
    return [
        f"{name} {problem}" for name, path in pages.items() for problem in problems(visit, path)
    ]


def _problems_wide(visit: Visit, path: str) -> list[str]:
    """The frame is the same everywhere: two pages tell of it, the others begin at their content."""
    page, whole = visit.page, path in (reverse("console-board"), reverse("admin:login"))
    page.set_viewport_size(WIDE)
    visit.open(path)
    found = unframed(page)
    n_stops, complaints = walked(page, "body" if whole else "#main")
    found += complaints
    return [*found, f"too few stops: {n_stops}"] if whole and n_stops < 3 else found


def _problems_narrow(visit: Visit, path: str) -> list[str]:
    page = visit.page
    page.set_viewport_size(NARROW)
    visit.open(path)
    has_menu = page.locator("#menu").count() == 1
    n_menu, complaints = _menu_walked(page) if has_menu else (0, [])
    found = [f"the menu: {complaint}" for complaint in complaints]
    n_stops, complaints = passed_through(page)
    found += complaints
    if (has_menu and n_menu < 15) or n_stops < 3:
        found.append(f"too few stops: {n_stops}, {n_menu} in the menu")
    return found


def _menu_walked(page: Page) -> tuple[int, list[str]]:
    """Opens the menu, walks through and out of it; opens it anew and closes it with Escape."""
    _open(page, "#menu-opener", "#menu")
    n_stops, complaints = passed_through(page, "#menu")
    page.wait_for_selector("#menu", state="hidden")
    _open(page, "#menu-opener", "#menu", "Shift+Tab")
    page.keyboard.press("Escape")
    page.wait_for_selector("#menu", state="hidden")
    if page.evaluate("document.activeElement.id") != "menu-opener":
        complaints.append("Escape does not lead back to what opened it")
    return n_stops, complaints


def _open(page: Page, opener: str, panel: str, way: str = "Tab") -> None:
    tab_to(page, opener, way)
    page.keyboard.press("Enter")
    page.wait_for_selector(f"{panel} :focus")


def test_escape_closes_a_panel_and_returns_to_its_opener(browser: Browser, site: Site) -> None:
    with visiting(browser, site, "admin") as visit:
        page = visit.page
        visit.open(reverse("admin:releases_release_changelist"))
        tab_to(page, ".sw-user summary")
        page.keyboard.press("Space")
        tab_to(page, ".sw-user-panel a")
        page.keyboard.press("Escape")
        assert not page.locator(".sw-user-panel").is_visible()
        assert page.evaluate("document.activeElement.matches('.sw-user summary')")
        _open(page, "#filter-opener", "#changelist-filter")
        page.keyboard.press("Escape")
        page.wait_for_selector("#changelist-filter", state="hidden")
        assert page.evaluate("document.activeElement.id") == "filter-opener"
        assert not visit.problems()


def test_filters_are_chosen_by_keyboard(browser: Browser, site: Site) -> None:
    with visiting(browser, site, "auditor") as visit:
        page = visit.page
        visit.open(reverse("admin:releases_release_changelist"))
        _open(page, "#filter-opener", "#changelist-filter")
        tab_to(page, "#changelist-filter a:text-is('ended')")
        with page.expect_navigation():
            page.keyboard.press("Enter")
        assert page.url.endswith("?state__exact=ended")
        assert page.locator("#filter-opener").inner_text().startswith("Filters (on)")
        assert page.locator("#result_list .data-row").count() == 1


def test_a_panel_closes_when_the_focus_leaves_it(browser: Browser, site: Site) -> None:
    with visiting(browser, site, "auditor", 390) as visit:
        page = visit.page
        _open(page, "#menu-opener", "#menu")
        page.keyboard.press("Shift+Tab")
        page.wait_for_selector("#menu", state="hidden")


def test_the_focus_stays_where_a_page_follows_what_goes_on(browser: Browser, site: Site) -> None:
    with visiting(browser, site, "engineer") as visit:
        page = visit.page
        visit.open(reverse("console-run-set", args=[site.world.evening.pk]))
        tab_to(page, "#progress a")
        page.evaluate("document.querySelector('#progress td:last-child').textContent = 'stale'")
        page.evaluate("showFacts(document.querySelector('#progress'), {state: 'another'})")
        page.wait_for_selector("#progress td:last-child:has-text('stale')", state="detached")
        assert page.evaluate("document.activeElement.matches('#progress a')")
        assert not visit.problems()


def test_what_only_a_mouse_works_is_named(browser: Browser, site: Site) -> None:
    with visiting(browser, site, "auditor") as visit:
        page = visit.page
        page.evaluate(_SPOILED)
        _, complaints = walked(page)
    for said in ("mouse alone: <b", "mouse alone: <i", "mouse alone: <s", "not reached: <a"):
        assert sum(said in complaint for complaint in complaints) == 1, said
    assert any("changes the order" in complaint for complaint in complaints)
    assert any("no visible focus: <button" in complaint for complaint in complaints)
    assert any("the key does nothing: <button" in complaint for complaint in complaints)
    assert any("out of sight: <button" in complaint for complaint in complaints)


_SPOILED = """() => {
  const main = document.getElementById('main');
  main.insertAdjacentHTML('afterbegin', `
    <b style="cursor: pointer">x</b> <i onclick="go()">x</i> <s>x</s>
    <a href="/" tabindex="-1">x</a> <a href="/" tabindex="3">x</a>
    <button id="plain" style="outline: none">x</button> <button id="deaf">x</button>
    <button style="position: fixed; left: -99px">x</button>`);
  main.querySelector('s').addEventListener('click', () => {});
  main.querySelector('#deaf').addEventListener('keydown', (event) =>
    event.key === ' ' && event.preventDefault());
}"""
