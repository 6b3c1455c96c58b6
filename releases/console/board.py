"""The board: families by stages, who occupies what, and why the rest waits."""

from __future__ import annotations

from typing import Any

from infra.console.pages import Page, page_of
from releases.console import queries
from releases.selectors import promotions
from releases.states import PromotionState


class BoardPage(Page):
    """Every pipeline with its stages from left to right."""

    template_name = "releases/board.html"
    title = "Board"

    def context(self) -> dict[str, Any]:
        return {"families": queries.lanes()}


class PromotionsPage(Page):
    """The queue with what each one waits for, then everything that was decided."""

    template_name = "releases/promotions.html"
    title = "Promotions"

    def context(self) -> dict[str, Any]:
        closed = promotions.promotions().exclude(state__in=promotions.OPEN)
        return {
            "queue": queries.queued(),
            "closed": page_of(self.request, closed),
            "promoted": PromotionState.PROMOTED.value,
        }
