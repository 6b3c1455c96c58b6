"""What a visit to a page is checked for."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db import connections
from django.test import Client
from django.urls import reverse
from playwright.sync_api import Browser, Page

from tests.builders import PASSWORD
from tests.console import keyboard
from tests.console.conftest import Site
from tests.console.world import CANARY, World

_WATCH = """
window.violations = [];
document.addEventListener('securitypolicyviolation', (event) =>
  window.violations.push(`${event.violatedDirective} ${event.blockedURI}`));
"""


@dataclass(slots=True, kw_only=True)
class Visit:
    """A page open in the browser, with every complaint it made."""

    page: Page
    base: str
    complaints: list[str] = field(default_factory=list)

    def open(self, path: str) -> None:
        self.page.goto(self.base + path)
        self.page.wait_for_load_state("load")

    def problems(self) -> list[str]:
        """What is wrong with the page as it is now; forgets what was said before."""
        found, self.complaints[:] = list(self.complaints), []
        found += [f"CSP: {text}" for text in self.page.evaluate("window.violations")]
        width = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        over = self.page.evaluate(width)
        if over > 0:
            found.append(f"{over} px wider than the screen")
        text = self.page.inner_text("body").replace("{{ 7|add:7 }}", "")
        found += [f"raw template text {mark}" for mark in ("{{", "{%", "None ") if mark in text]
        live = "img[src=x], svg[onload], a[href^='javascript:']"
        if self.page.title() == "pwned" or self.page.locator(live).count():
            found.append(f"user content is markup here: {CANARY}")
        return found


@contextmanager
def visiting(
    browser: Browser, site: Site, username: str, width: int = 1280, theme: str = "light"
) -> Iterator[Visit]:
    """A signed-in visit in a window of that width and colour scheme."""
    height = 844 if width < 600 else 900
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=theme, reduced_motion="reduce"
    )
    page = context.new_page()
    page.add_init_script(_WATCH)
    page.add_init_script(keyboard.SCRIPT)
    visit = Visit(page=page, base=site.url)
    page.on("pageerror", lambda error: visit.complaints.append(f"script: {error}"))
    page.on("console", lambda message: _heard(visit, message))
    page.on("request", lambda request: _left(visit, request.url))
    cookie = {"name": settings.SESSION_COOKIE_NAME, "value": _session_of(username)}
    context.add_cookies([{**cookie, "url": site.url}])
    visit.open(reverse("admin:index"))
    yield visit
    context.close()


def _session_of(username: str) -> str:
    """The key of a session that the sign-in began, asked where no event loop runs."""

    def work() -> str:
        try:
            return signed_in(username).cookies[settings.SESSION_COOKIE_NAME].value
        finally:
            connections["default"].close()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


def _heard(visit: Visit, message: Any) -> None:
    if message.type in ("error", "warning"):
        visit.complaints.append(f"console: {message.text}")


def _left(visit: Visit, url: str) -> None:
    if not url.startswith((visit.base, "data:", "blob:")):
        visit.complaints.append(f"asked another origin: {url}")


def signed_in(username: str, **options: bool) -> Client:
    """A client that gave the right password just now."""
    client = Client(**options)
    body = {"username": username, "password": PASSWORD}
    assert client.post(reverse("admin:login"), body).status_code == 302
    return client


def pages_of(world: World) -> dict[str, str]:
    """Every page by name, each with something on it."""
    comparison = reverse("console-comparison", args=[world.comparison.pk])
    return {
        "brief": reverse("admin:index"),
        "board": reverse("console-board"),
        "board list": f"{reverse('console-board')}?view=list",
        "board into": f"{reverse('console-board')}?into={world.alpha.pk}",
        "search": f"{reverse('console-search')}?q=a",
        "promotions": reverse("console-promotions"),
        "forecasts": reverse("console-forecasts"),
        "line": reverse("console-line"),
        "promotion": reverse("console-promotion", args=[world.waiting.pk]),
        "decided promotion": reverse("console-promotion", args=[world.decided.pk]),
        "checkpoints": reverse("console-checkpoints"),
        "checkpoint": reverse("console-checkpoint", args=[world.candidate.pk]),
        "stage": reverse("console-stage", args=[world.alpha.pk]),
        "held stage": reverse("console-stage", args=[world.production.pk]),
        "compare": reverse("console-compare"),
        "comparison": comparison,
        "component": f"{comparison}?node=echo.first",
        "suites": reverse("console-suites"),
        "suite": reverse("console-suite", args=["echo"]),
        "dead cases": f"{reverse('console-suite', args=['echo'])}?dead=chat%20nano",
        "frontier": reverse("console-frontier"),
        "runs": reverse("console-runs"),
        "run": reverse("console-run", args=[world.run.pk]),
        "running": reverse("console-run", args=[world.running.pk]),
        "settled run": reverse("console-run", args=[world.settled.pk]),
        "replays": reverse("console-replays"),
        "replay": f"{reverse('console-replay', args=[world.replay.pk])}?mode=loops",
        "run sets": reverse("console-run-sets"),
        "run set": reverse("console-run-set", args=[world.night.pk]),
        "run set going": reverse("console-run-set", args=[world.evening.pk]),
        "imports": reverse("console-imports"),
        "import": reverse("console-import", args=[world.upload.pk]),
        "judges": reverse("console-judges"),
        "judge": reverse("console-judge", args=["tone"]),
        "labelling": reverse("console-label", args=["tone"]),
        "feedback": reverse("console-feedback"),
        "feedback import": reverse("console-feedback-import"),
        "feedback groups": reverse("console-feedback-groups"),
        "feedback item": reverse("console-feedback-item", args=[world.feedback.pk]),
        "findings": reverse("console-findings"),
        "finding": reverse("console-finding", args=[world.finding.pk]),
        "finding cases": reverse("console-finding-cases", args=[world.finding.pk]),
        "lineage": f"{reverse('console-lineage')}?id={world.finding.pk}",
        "training": reverse("console-training"),
        "training export": reverse("console-training-export", args=[world.training_export.pk]),
        "probes": reverse("console-probes"),
        "probe": reverse("console-probe", args=[world.probes.concluded.pk]),
        "probe to review": reverse("console-probe", args=[world.probes.draft.pk]),
        "probe rated": reverse("console-probe", args=[world.probes.rated.pk]),
        "rating": reverse("console-probe-rate", args=[world.probes.rated.pk]),
        "partners": reverse("console-partners"),
        "partner": reverse("console-partner", args=[world.partner.pk]),
        "partner usage": reverse("console-partner-usage", args=[world.partner.pk]),
        "partner people": reverse("console-partner-people", args=[world.partner.pk]),
        "partner access": reverse(
            "console-partner-access", args=[world.partner.pk, world.alpha.pk]
        ),
        "terms": reverse("console-terms"),
        "calls": reverse("console-calls"),
        "notices": reverse("console-notices"),
        "recall": f"{reverse('console-recall')}?checkpoint={world.incumbent.pk}",
        "notice": reverse("console-notice", args=[world.notice.pk]),
        "side by sides": reverse("console-preferences"),
        "side by side": reverse("console-preference", args=[world.side_by_side.pk]),
        "blind votes": (
            f"{reverse('console-preference-results')}?candidate={world.candidate.pk}"
            f"&baseline={world.incumbent.pk}"
        ),
        "audit": reverse("console-audit"),
        "history": reverse("console-history"),
        "simulate": reverse("console-simulate"),
        "service keys": reverse("console-service-keys"),
        "roles": reverse("console-roles"),
        "my sign-in": reverse("console-my-sign-in"),
        "invitations": reverse("console-invitations"),
        "sign-in locks": reverse("console-sign-in-locks"),
        "webhooks": reverse("console-webhooks"),
        "webhook delivery": reverse("console-webhook-delivery", args=[world.delivery.pk]),
        "notifications": reverse("console-notifications"),
        "records": reverse("admin:releases_release_changelist"),
        "record": reverse("admin:releases_checkpoint_change", args=[world.candidate.pk]),
        "logins": reverse("admin:infra_user_changelist"),
        "login": reverse("admin:infra_user_change", args=[world.login.pk]),
        "new login": reverse("admin:infra_user_add"),
        "password": reverse("admin:password_change"),
        "confirm": reverse("console-sign-in-again"),
    }


def partner_pages() -> dict[str, str]:
    """The partners' own pages, for somebody of the story's partner."""
    names = ("home", "keys", "notices", "feedback", "compare", "account")
    return {name: reverse(f"partner-{name}") for name in names}
