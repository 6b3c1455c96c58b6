"""What a page costs its reader, measured in Chromium with an empty cache: time, bytes, movement.

    python -m tests.console.budget [--rounds N] [--url URL --username NAME --password WORD]

Without an address it reads the running instance's `run.json`, as `make screenshots` does. Every
page that links lead to is measured; exit 1 when one breaks the budget.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from playwright.sync_api import Browser, BrowserContext, Page, Request

MOST_BYTES = 500_000
MOST_SHIFT = 0.05
# The field's own measures: the largest part painted, and how far things moved meanwhile.
_OBSERVE = """
window.budget = { content: 0, shift: 0 };
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) window.budget.content = entry.startTime;
}).observe({ type: "largest-contentful-paint", buffered: true });
new PerformanceObserver((list) => {
  for (const entry of list.getEntries())
    if (!entry.hadRecentInput) window.budget.shift += entry.value;
}).observe({ type: "layout-shift", buffered: true });
"""
# One frame more, so that what was painted last is told.
_READ = """
() => new Promise((done) => requestAnimationFrame(() => setTimeout(() => done({
  ...window.budget,
  server: performance.getEntriesByType("navigation")[0].responseStart,
}), 50)))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Medians over the rounds; milliseconds from the click on, bytes as they were sent."""

    content_ms: float
    server_ms: float
    code_bytes: int
    shift: float
    elsewhere: list[str] = field(default_factory=list)

    def problems(self, within_ms: float) -> list[str]:
        """What breaks the budget, in words."""
        found = [f"asks {url}, another origin" for url in self.elsewhere]
        if self.content_ms > within_ms:
            found.append(f"{self.content_ms:.0f} ms to its content, {within_ms:.0f} are allowed")
        if self.code_bytes > MOST_BYTES:
            found.append(f"{self.code_bytes:,} bytes of script and style, {MOST_BYTES:,} allowed")
        if self.shift > MOST_SHIFT:
            found.append(f"moves by {self.shift:.3f}, {MOST_SHIFT} is allowed")
        return found

    def __str__(self) -> str:
        return (
            f"{self.content_ms:6.0f} ms to content ({self.server_ms:.0f} ms to the first byte), "
            f"{self.code_bytes / 1000:4.0f} KB of script and style, shift {self.shift:.3f}"
        )


def cost_of(browser: Browser, url: str, enter: Callable[[Page], None], n_rounds: int = 3) -> Cost:
    """What the page at `url` costs whom `enter` signs in, each round with nothing cached."""
    rounds = [_round(browser, url, enter) for _ in range(n_rounds)]
    return Cost(
        content_ms=statistics.median(one.content_ms for one in rounds),
        server_ms=statistics.median(one.server_ms for one in rounds),
        code_bytes=max(one.code_bytes for one in rounds),
        shift=max(one.shift for one in rounds),
        elsewhere=sorted({address for one in rounds for address in one.elsewhere}),
    )


def _round(browser: Browser, url: str, enter: Callable[[Page], None]) -> Cost:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    enter(page)
    cost = _visited(context, url)
    context.close()
    return cost


def _visited(context: BrowserContext, url: str) -> Cost:
    """A visit in a page of its own, without what the sign-in had loaded."""
    page = context.new_page()
    page.add_init_script(_OBSERVE)
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    sizes: dict[str, int] = {}
    kinds: dict[str, str] = {}
    asked: list[str] = []
    session.on("Network.responseReceived", lambda told: kinds.update(_kind_of(told)))
    session.on("Network.loadingFinished", lambda told: sizes.update(_size_of(told)))
    page.on("request", lambda request: asked.append(_address(request)))
    page.goto(url, wait_until="networkidle")
    seen = page.evaluate(_READ)
    origin = "/".join(url.split("/")[:3])
    code = [size for one, size in sizes.items() if kinds.get(one) in {"Script", "Stylesheet"}]
    return Cost(
        content_ms=seen["content"],
        server_ms=seen["server"],
        code_bytes=sum(code),
        shift=seen["shift"],
        elsewhere=[one for one in asked if not one.startswith((origin, "data:", "blob:"))],
    )


def _kind_of(told: Mapping[str, str]) -> dict[str, str]:
    return {told["requestId"]: told["type"]}


def _size_of(told: Mapping[str, float]) -> dict[str, int]:
    return {str(told["requestId"]): int(told["encodedDataLength"])}


def _address(request: Request) -> str:
    return request.url


def main() -> int:
    from tests.console import screenshots

    options = screenshots.options("make bench-console", __doc__ or "")
    target = screenshots.target_of(options)
    n_broken = 0
    with screenshots.chromium() as browser:
        found = screenshots.addresses(browser, target)
        for name, url in found.items():
            cost = cost_of(browser, url, lambda page: screenshots.sign_in(page, target))
            problems = cost.problems(options.within_ms)
            n_broken += bool(problems)
            sys.stdout.write(f"{name:<24}{cost}{''.join(f'; {one}' for one in problems)}\n")
            sys.stdout.flush()
    return 1 if n_broken else 0


if __name__ == "__main__":
    sys.exit(main())
