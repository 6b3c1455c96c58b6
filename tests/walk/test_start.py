"""The first minute: up, usable, and one supervisor to a state folder."""

from __future__ import annotations

import stat
import subprocess
import sys

import httpx2 as httpx
from playwright.sync_api import expect

from tests.walk.browser import Browser
from tests.walk.product import ROOT, Product

PAGES = (
    "Board",
    "Promotions",
    "Checkpoints",
    "Compare",
    "Suites",
    "Runs",
    "Feedback",
    "Partners & keys",
    "Calls",
    "Audit",
)


def test_the_product_is_ready_in_the_first_minute(
    product: Product, times: dict[str, float]
) -> None:
    times["ready for the first time"] = product.ready_s
    assert product.ready_s < 60
    health = httpx.get(f"{product.url}/api/health/")
    assert health.status_code == 200, health.text
    assert product.facts["demo"] in ("running", "done")


def test_run_json_holds_every_fact_for_its_owner_alone(product: Product) -> None:
    facts = product.facts
    assert stat.S_IMODE((product.state / "run.json").stat().st_mode) == 0o600
    assert facts["console_url"] == facts["base_url"] + "/console/"
    assert facts["partner_key"].startswith("slw_") and facts["service_key"]
    for (
        role
    ) in "release_manager second_release_manager engineer behaviour_reviewer auditor".split():
        assert facts["users"][role]["username"] and facts["users"][role]["password"]


def test_the_console_is_usable_while_the_demo_plays(browser: Browser) -> None:
    page = browser.sign_in("release_manager")
    for name in PAGES:
        page.get_by_role("link", name=name, exact=True).first.click()
        expect(page.get_by_role("heading", level=1).first).to_contain_text(name.split(" ")[0])
    assert browser.problems == []


def test_a_second_supervisor_is_refused_with_a_sentence(product: Product) -> None:
    second = subprocess.run(
        [sys.executable, "manage.py", "up", "--bind", "127.0.0.1:0", "--no-demo"],
        cwd=ROOT,
        env=product.environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert second.returncode != 0
    assert f"Slipway already runs from {product.state} on {product.url}" in second.stderr
    assert "Traceback" not in second.stderr
    assert product.is_ready
