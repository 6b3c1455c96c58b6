"""Takes a picture of every page of a running instance: `make screenshots`.

    python -m tests.console.screenshots [--out FOLDER] [--url URL --username NAME --password WORD]

Without an address it reads the running instance's `run.json` and signs in as the release manager.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent.parent
VIEWS = tuple((width, theme) for width in (1280, 390) for theme in ("light", "dark"))
LISTS = {
    "brief": "",
    "board": "board/",
    "promotions": "promotions/",
    "checkpoints": "checkpoints/",
    "compare": "comparisons/",
    "suites": "suites/",
    "frontier": "frontier/",
    "runs": "runs/",
    "run-sets": "run-sets/",
    "judges": "judges/",
    "imports": "imports/",
    "feedback": "feedback/?state=",
    "partners": "partners/",
    "calls": "calls/",
    "notices": "notices/",
    "findings": "findings/",
    "line": "line/",
    "simulate": "simulate/",
    "history": "history/",
    "audit": "audit/",
    "service-keys": "service-keys/",
    "webhooks": "webhooks/",
    "notifications": "notifications/",
    "records": "releases/pipelineversion/",
}
# Name of a page, the list that leads there, and what the link's address holds.
DETAILS = {
    "promotion": ("promotions", "/console/promotions/"),
    "checkpoint": ("checkpoints", "/console/checkpoints/"),
    "stage": ("board", "/console/stages/"),
    "comparison": ("compare", "/console/comparisons/"),
    "suite": ("suites", "/console/suites/"),
    "run": ("runs", "/console/runs/"),
    "run-set": ("run-sets", "/console/run-sets/"),
    "judge": ("judges", "/console/judges/"),
    "feedback-item": ("feedback", "/console/feedback/"),
    "finding": ("findings", "/console/findings/"),
    "partner": ("partners", "/console/partners/"),
    "notice": ("notices", "/console/notices/"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where to sign in, as whom."""

    url: str
    username: str
    password: str


def target_of(options: argparse.Namespace) -> Target:
    """The instance that the options name, or the one that runs here; SystemExit without one."""
    if options.url:
        url = options.url.rstrip("/")
        return Target(url=url, username=options.username, password=options.password)
    state = Path(os.environ.get("SLIPWAY_STATE_DIR") or ROOT / ".slipway")
    try:
        facts = json.loads((state / "run.json").read_text())
    except FileNotFoundError:
        sys.exit("Nothing runs here: start it with `make run`, or name an instance with --url.")
    login = facts["users"][options.username]
    return Target(url=facts["base_url"], username=login["username"], password=login["password"])


def sign_in(page: Page, target: Target) -> None:
    page.goto(f"{target.url}/console/login/")
    page.fill("#id_username", target.username)
    page.fill("#id_password", target.password)
    page.click("button[type=submit]")
    page.wait_for_url("**/console/")


def addresses(page: Page, target: Target) -> dict[str, str]:
    """Every page by name; a detail that no list leads to yet is left out."""
    found = {name: f"{target.url}/console/{path}" for name, path in LISTS.items()}
    for name, (start, part) in DETAILS.items():
        page.goto(found[start])
        links = page.locator("main a").evaluate_all("found => found.map((a) => a.href)")
        inside = [link for link in links if link.split("?")[0].rstrip("/").split(part)[1:] > [""]]
        if inside:
            found[name] = inside[0]
    return found


def take(browser: Browser, target: Target, folder: Path) -> int:
    """Every page in every view, the sign-in page too; how many pictures were taken."""
    n_taken = 0
    for width, theme in VIEWS:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=theme, reduced_motion="reduce"
        )
        page = context.new_page()
        page.goto(f"{target.url}/console/login/")
        page.screenshot(path=folder / f"sign-in-{width}-{theme}.png")
        sign_in(page, target)
        pictures = addresses(page, target)
        for name, address in pictures.items():
            page.goto(address)
            page.wait_for_load_state("networkidle")
            page.screenshot(path=folder / f"{name}-{width}-{theme}.png", full_page=True)
        n_taken += len(pictures) + 1
        context.close()
    return n_taken


def main() -> None:
    parser = argparse.ArgumentParser(prog="make screenshots", description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "screenshots")
    parser.add_argument("--url", default="")
    parser.add_argument("--username", default="release_manager")
    parser.add_argument("--password", default="")
    options = parser.parse_args()
    path = os.environ.get("SLIPWAY_CHROMIUM") or shutil.which("chromium")
    if path is None:
        sys.exit("Chromium is not installed: apt-get install chromium.")
    options.out.mkdir(parents=True, exist_ok=True)
    target = target_of(options)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        n_taken = take(browser, target, options.out)
        browser.close()
    sys.stdout.write(f"{n_taken} pictures in {options.out}\n")


if __name__ == "__main__":
    main()
