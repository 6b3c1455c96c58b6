"""The board: families by stages as a graph, who occupies what, and why the rest waits."""

from __future__ import annotations

from functools import cached_property
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpResponseRedirect
from django.urls import reverse

from infra import clock
from infra.console.pages import Page, page_of
from infra.errors import NotFound
from infra.roles import Role
from releases.console.board_drawing import drawing_of
from releases.console.forms import PromoteHere
from releases.models import Stage
from releases.selectors import promotions
from releases.selectors.board import FamilyBoard, family_boards
from releases.selectors.checkpoints import families
from releases.selectors.releases import queued, stage_with_id
from releases.services.promotions import request_promotion
from releases.states import PromotionState

VIEWS = ("graph", "list")
SHOWN = 50


class BoardPage(Page):
    """Every pipeline as a graph or as a list, the queue below it, and a promotion into a stage."""

    template_name = "releases/board.html"
    title = "Board"
    forms = {"promote": PromoteHere}

    @cached_property
    def into(self) -> Stage | None:
        """The stage whose node was asked to promote into."""
        asked = self.request.GET.get("into", "")
        if not asked:
            return None
        try:
            return stage_with_id(UUID(asked))
        except ValueError:
            raise NotFound("no_such_stage", f"There is no stage {asked!r}.") from None

    def form_options(self, name: str) -> dict[str, Any]:
        return {"stage": self.into}

    def context(self) -> dict[str, Any]:
        now, family = clock.now(), self.request.GET.get("family", "")
        view = self.request.GET.get("view", "")
        boards = family_boards(now, family)
        found = promotions.open_promotions()
        if family:
            found = found.filter(checkpoint__family__name=family)
        page = page_of(self.request, found, SHOWN)
        return {
            "boards": [(board, drawing_of(board)) for board in boards],
            "families": [row.name for row in families()],
            "family": family,
            "view": view if view in VIEWS else VIEWS[0],
            "addresses": [
                (name, f"?{urlencode({'view': name, 'family': family})}") for name in VIEWS
            ],
            "queue": queued(list(page), now),
            "rows": page,
            "into": self.into,
            "may_promote": self.actor.may(Role.ENGINEER, Role.RELEASE_MANAGER),
            "totals": totals(boards),
        }

    def do_promote(self, data: dict[str, Any]) -> HttpResponseRedirect:
        made = request_promotion(actor=self.actor, **data)
        return HttpResponseRedirect(reverse("console-promotion", args=[made.pk]))


def totals(boards: list[FamilyBoard]) -> dict[str, int]:
    """What is live, on its way up, queued and stopped, over all that is shown."""
    nodes = [node for board in boards for node in board.nodes]
    return {
        "n_live": sum(len(cell.releases) for node in nodes for cell in node.cells),
        "n_ramps": sum(len(board.ramps) for board in boards),
        "n_queued": sum(node.n_queued for node in nodes),
        "n_stopped": sum(bool(node.holds) or node.is_frozen for node in nodes),
    }


class PromotionsPage(Page):
    """The queue with what each one waits for, then everything that was decided."""

    template_name = "releases/promotions.html"
    title = "Promotions"

    def context(self) -> dict[str, Any]:
        closed = promotions.promotions().exclude(state__in=promotions.OPEN)
        return {
            "queue": queued(list(promotions.open_promotions()), clock.now()),
            "closed": page_of(self.request, closed),
            "promoted": PromotionState.PROMOTED.value,
        }
