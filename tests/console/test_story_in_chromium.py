"""The release manager's day in Chromium: sign off, approve, issue a key, roll back."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections
from django.urls import reverse
from playwright.sync_api import Browser, Page

from releases.models import Promotion, Release
from tests.console.conftest import Site
from tests.console.visits import visiting

pytestmark = pytest.mark.browser


def asked(question: Callable[[], object]) -> object:
    """The answer of the database, asked where no event loop runs."""

    def work() -> object:
        try:
            return question()
        finally:
            connections["default"].close()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


def submit(page: Page, selector: str) -> None:
    with page.expect_navigation():
        page.click(selector)


def live_in(site: Site) -> str:
    rows = Release.objects.filter(stage=site.world.alpha, ended_at=None)
    return str(asked(lambda: rows.get().checkpoint.name))


def test_a_requester_is_refused_then_others_answer_approve_and_roll_back(
    browser: Browser, site: Site
) -> None:
    promotion = reverse("console-promotion", args=[site.world.waiting.pk])
    with visiting(browser, site, "release_manager") as visit:
        visit.open(promotion)
        submit(visit.page, "text=Approve")
        said = visit.page.inner_text("#refusal")
        assert "Release Manager requested this promotion: somebody else has to decide." in said
    with visiting(browser, site, "behaviour_reviewer") as visit:
        visit.open(promotion)
        visit.page.click("text=Answer as behaviour-reviewer")
        visit.page.fill("#answer-sign_off-1", "It fits.")
        submit(visit.page, "text=Yes, sign off")
        assert not visit.problems()
    with visiting(browser, site, "second_release_manager") as visit:
        visit.open(reverse("admin:index"))
        submit(visit.page, ".sw-line:has-text('Decide')")
        assert visit.page.url.endswith(promotion)
        visit.page.fill("#vote-comment", "Read it all.")
        submit(visit.page, "text=Approve")
        assert "is live in chat/closed-alpha now" in visit.page.inner_text("[role=status]")
        assert not visit.problems()
        assert live_in(site) == site.world.candidate.name
        visit.open(reverse("console-stage", args=[site.world.alpha.pk]))
        visit.page.click("text=Roll back to chat-nano-1")
        assert "chat-nano-1 serves every caller" in visit.page.inner_text(
            "details[open] .sw-effect"
        )
        visit.page.fill("#back-nano", "It invents tables.")
        submit(visit.page, "text=Roll back now")
        assert live_in(site) == "chat-nano-1"
        assert not visit.problems()
    assert asked(lambda: Promotion.objects.get(pk=site.world.waiting.pk).state) == "promoted"


def test_a_key_is_shown_once_then_revoked(browser: Browser, site: Site) -> None:
    with visiting(browser, site, "partner_manager") as visit:
        page = visit.page
        visit.open(reverse("console-partner", args=[site.world.partner.pk]))
        page.fill("#key-name", "ci")
        submit(page, "text=Issue the key")
        secret = page.inner_text("#secret")
        assert secret.startswith("slw_") and len(secret) > 50
        visit.open(reverse("console-partner", args=[site.world.partner.pk]))
        assert secret not in page.content()
        page.click("tr:has-text('ci') summary:has-text('Revoke')")
        page.fill("tr:has-text('ci') input[name=reason]", "The laptop is lost.")
        submit(page, "tr:has-text('ci') button:has-text('Revoke')")
        assert "The laptop is lost." in page.inner_text("tr:has-text('ci')")
        assert not visit.problems()


def test_feedback_becomes_a_case_of_the_draft(browser: Browser, site: Site) -> None:
    with visiting(browser, site, "eval_owner") as visit:
        page = visit.page
        visit.open(reverse("console-feedback-item", args=[site.world.feedback.pk]))
        page.fill("#case-messages", "word-3")
        page.fill("#case-components", "echo.first")
        page.fill("#case-case_id", "from-acme-1")
        submit(page, "text=Add the case")
        assert "from-acme-1" in page.inner_text("details[open] summary")
        assert "1 added" in page.inner_text("main")
        assert not visit.problems()


def test_comparing_two_checkpoints_shows_what_got_worse(browser: Browser, site: Site) -> None:
    with visiting(browser, site, "engineer") as visit:
        page = visit.page
        visit.open(reverse("console-checkpoint", args=[site.world.candidate.pk]))
        submit(page, "text=Compare >> nth=-1")
        assert page.input_value("#compare-baseline") == str(site.world.incumbent.pk)
        page.fill("#compare-margin", "2")
        submit(page, "button:has-text('Compare')")
        assert "the margin, 2 points worse" in page.inner_text(".sw-legend")
        page.click("text=The same in words")
        assert "echo.first" in page.inner_text(".sw-sentences")
        assert "got worse" in page.inner_text("#flipped")
        submit(page, "a:text-is('got worse')")
        first = page.inner_text("#case-name")
        for key in ("j", "k"):
            with page.expect_navigation():
                page.keyboard.press(key)
            assert (page.inner_text("#case-name") == first) == (key == "k")
        assert page.locator("#case del").count() and page.locator("#case ins").count()
        assert f"case={first}" in page.url and "way=lost" in page.url
        submit(page, "a:text-is('largest loss first')")
        assert f"case={first}" in page.url and "sort=worst" in page.url
        assert not visit.problems()
