"""A release manager without a mouse: sign in, approve, prove who it is, halt, roll back."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.urls import reverse
from playwright.sync_api import Browser, Page

from infra import clock
from releases.models import Promotion, Release
from tests.builders import PASSWORD
from tests.console.conftest import Site
from tests.console.keyboard import tab_to
from tests.console.test_story_in_chromium import asked
from tests.console.visits import Visit, visiting

pytestmark = [pytest.mark.browser, pytest.mark.long]
# Counts what a mouse would do: a click that no key made has a place on the screen.
_CLICKS = """addEventListener('click', (event) => {
  if (event.detail > 0) sessionStorage.setItem('mouse', 'used');
}, true);"""


def press(page: Page, selector: str, key: str = "Enter", way: str = "Tab") -> None:
    """Go there with Tab and press a key that leads to another page."""
    tab_to(page, selector, way)
    with page.expect_navigation():
        page.keyboard.press(key)


def type_into(page: Page, selector: str, text: str, way: str = "Tab") -> None:
    tab_to(page, selector, way)
    page.keyboard.type(text)


def let_the_sign_ins_age() -> None:
    for row in Session.objects.all():
        session = SessionStore(row.session_key)
        session["signed_in_at"] = (clock.now() - timedelta(days=2)).isoformat()
        session.save()


def released(site: Site) -> tuple[str, str]:
    """The checkpoint in the stage and the state of its release."""
    rows = Release.objects.filter(stage=site.world.alpha, ended_at=None)
    name, state = asked(lambda: rows.values_list("checkpoint__name", "state").get())  # type: ignore[misc]
    return name, state


def sign_in(visit: Visit) -> None:
    page = visit.page
    page.context.clear_cookies()
    page.add_init_script(_CLICKS)
    visit.open(reverse("admin:index"))
    type_into(page, "#id_username", "second_release_manager")
    type_into(page, "#id_password", PASSWORD)
    press(page, "button[type=submit]")


def test_a_promotion_is_answered_by_keyboard(browser: Browser, site: Site) -> None:
    with visiting(browser, site, "behaviour_reviewer") as visit:
        page = visit.page
        visit.open(reverse("console-promotion", args=[site.world.waiting.pk]))
        tab_to(page, "summary:has-text('Answer as behaviour-reviewer')")
        page.keyboard.press("Space")
        type_into(page, "#answer-sign_off-1", "It fits.")
        press(page, "button:has-text('Yes, sign off')", "Space")
        assert not visit.problems()
    answers = Promotion.objects.get
    assert asked(lambda: answers(pk=site.world.waiting.pk).answers.get().yes)


def test_it_is_approved_halted_and_rolled_back_by_keyboard(browser: Browser, site: Site) -> None:
    with visiting(browser, site, "second_release_manager") as visit:
        sign_in(visit)
        page = visit.page
        press(page, ".sw-line:has-text('Decide')")
        asked(let_the_sign_ins_age)
        press(page, "button:text-is('Approve')", "Space")
        assert "confirm that it is you" in page.inner_text("#refusal")
        assert released(site)[0] == "chat-nano-1"
        press(page, "#refusal a")
        type_into(page, "#again-password", PASSWORD)
        press(page, "button[type=submit]")
        type_into(page, "#vote-comment", "Read it all.")
        press(page, "button:text-is('Approve')")
        assert "is live in chat/closed-alpha now" in page.inner_text("[role=status]")
        assert released(site) == (site.world.candidate.name, "live")
        press(page, "a:has-text('halts it or rolls it back')")
        tab_to(page, "summary:text-is('Halt')")
        page.keyboard.press("Enter")
        type_into(page, "textarea[id^=halt-]", "It invents tables.")
        press(page, "button:text-is('Halt now')")
        assert released(site) == (site.world.candidate.name, "halted")
        tab_to(page, "summary:has-text('Roll back to chat-nano-1')", "Shift+Tab")
        page.keyboard.press("Space")
        type_into(page, "#back-nano", "Back to what works.")
        press(page, "button:text-is('Roll back now')", "Space")
        assert released(site) == ("chat-nano-1", "live")
        assert page.evaluate("sessionStorage.getItem('mouse')") is None
    assert asked(lambda: Promotion.objects.get(pk=site.world.waiting.pk).state) == "promoted"
