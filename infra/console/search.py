"""Search as a plain page: the palette's results without a script."""

from __future__ import annotations

from typing import Any

from infra.console.pages import Page
from infra.search.compose import search

MOST = 20


class SearchPage(Page):
    """One field, and what was found by kind."""

    template_name = "console/search.html"
    title = "Search"

    def context(self) -> dict[str, Any]:
        text = self.request.GET.get("q", "")
        return {"q": text, "found": search(self.actor, text, MOST)}
