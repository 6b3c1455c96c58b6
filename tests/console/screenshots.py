"""Takes a picture of every page of a running instance: `make screenshots`.

    python -m tests.console.screenshots [--out FOLDER] [--url URL --username NAME --password WORD]

Without an address it reads the running instance's `run.json` and signs in as the release manager.
Pages are found by following links from the first one: one of each kind, new kinds by themselves.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent.parent
VIEWS = tuple((width, theme) for width in (1280, 390) for theme in ("light", "dark"))
# Links that lead to a page: none that saves a file or ends the session.
_LINKS = """
() => [...document.querySelectorAll("a[href]:not([download])")]
  .map((link) => link.href).filter((address) => !address.includes("format="))
"""


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


def addresses(browser: Browser, target: Target) -> dict[str, str]:
    """The first page of each kind that links lead to from the first page, by its route's name."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    sign_in(page, target)
    start = f"{target.url}/console/"
    found, waiting = {"brief": start}, deque([start])
    while waiting:
        page.goto(waiting.popleft())
        for address in page.evaluate(_LINKS):
            name = kind_of(address, target)
            if name and name not in found:
                found[name] = address.split("#")[0]
                waiting.append(found[name])
    context.close()
    return found


def kind_of(address: str, target: Target) -> str:
    """The route's name of a page of this console; "" for anything else."""
    from django.urls import Resolver404, resolve

    parts = urlsplit(address)
    if not address.startswith(f"{target.url}/console/"):
        return ""
    try:
        route = resolve(parts.path).view_name
    except Resolver404:
        return ""
    # Records look alike whatever they are of: a list, one, and the form for a new one.
    if route.startswith("admin:") and route.count("_") >= 2:
        return f"record-{route.rpartition('_')[2]}"
    if route in {"admin:index", "admin:logout", "admin:login"}:
        return ""
    return route.removeprefix("console-").replace(":", "-")


def unreached(found: dict[str, str]) -> list[str]:
    """Pages of the console that no link led to, as when the instance has nothing to show there."""
    from django.urls import get_resolver

    routes = {str(name) for name in get_resolver().reverse_dict}
    names = {name.removeprefix("console-") for name in routes if name.startswith("console-")}
    return sorted(names - set(found))


def take(browser: Browser, target: Target, folder: Path) -> int:
    """Every page in every view, the sign-in page too; how many pictures were taken."""
    pictures, n_taken = addresses(browser, target), 0
    for width, theme in VIEWS:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=theme, reduced_motion="reduce"
        )
        page = context.new_page()
        page.goto(f"{target.url}/console/login/")
        page.screenshot(path=folder / f"sign-in-{width}-{theme}.png")
        sign_in(page, target)
        for name, address in pictures.items():
            page.goto(address)
            # Pages that count on keep a stream open, so their network is never idle.
            page.wait_for_load_state("load")
            page.evaluate("document.fonts.ready.then(() => true)")
            page.wait_for_timeout(300)
            page.screenshot(path=folder / f"{name}-{width}-{theme}.png", full_page=True)
        n_taken += len(pictures) + 1
        context.close()
    for name in unreached(pictures):
        sys.stdout.write(f"no link leads to {name} here\n")
    return n_taken


@contextmanager
def chromium() -> Iterator[Browser]:
    """SystemExit without one. Django's routes name the pages, so its settings are loaded here."""
    path = os.environ.get("SLIPWAY_CHROMIUM") or shutil.which("chromium")
    if path is None:
        sys.exit("Chromium is not installed: apt-get install chromium.")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "infra.settings")
    import django

    django.setup()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


def options(program: str, description: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=program, description=description)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "screenshots")
    parser.add_argument("--url", default="")
    parser.add_argument("--username", default="release_manager")
    parser.add_argument("--password", default="")
    parser.add_argument("--within-ms", type=float, default=1000.0)
    return parser.parse_args()


def main() -> None:
    asked = options("make screenshots", __doc__ or "")
    target = target_of(asked)
    asked.out.mkdir(parents=True, exist_ok=True)
    with chromium() as browser:
        n_taken = take(browser, target, asked.out)
    sys.stdout.write(f"{n_taken} pictures in {asked.out}\n")


if __name__ == "__main__":
    main()
