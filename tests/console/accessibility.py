"""What axe-core says of a page: its serious and critical violations."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from playwright.sync_api import Page

from tests import node_packages

# One run of axe-core, which nothing of the page sees; answers a line a violation.
_RUN = """
async () => {
  const found = await axe.run(document, {
    resultTypes: ["violations"], iframes: false, preload: false,
  });
  return found.violations
    .filter((one) => ["serious", "critical"].includes(one.impact))
    .map((one) => `${one.id}: ${one.help}, at ` + one.nodes
      .slice(0, 3).map((node) => `${node.target.join(" ")} ${node.html.slice(0, 120)} `
        + node.any.concat(node.all).slice(0, 1).map((check) => check.message)).join(" | "));
}
"""


@cache
def script() -> str:
    """axe-core as npm gave it; the test is skipped where npm is not."""
    folder = node_packages.installed(Path(__file__).parent / "axe")
    return (folder / "node_modules/axe-core/axe.min.js").read_text()


def violations(page: Page) -> list[str]:
    """A line for each serious or critical violation on the page as it is now."""
    page.evaluate(script())
    return [f"axe: {line}" for line in page.evaluate(_RUN)]
