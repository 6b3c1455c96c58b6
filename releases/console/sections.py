"""What `releases` brings to the first page."""

from __future__ import annotations

from django.urls import reverse

from infra.actors import Actor
from infra.console.sections import Section
from releases.console import queries
from releases.selectors.blocks import holds_in_force
from releases.selectors.releases import releases


def what_waits(*, actor: Actor) -> Section:
    """Open promotions, those that this person can move first."""
    return Section(
        title="What waits",
        template="releases/section_waits.html",
        link=reverse("console-promotions"),
        link_text="All promotions",
        content={"queue": queries.waiting(actor), "holds": list(holds_in_force())},
    )


def what_is_live(*, actor: Actor) -> Section:
    """Every current release."""
    rows = releases().filter(ended_at=None).order_by("stage__pipeline__name", "stage__position")
    return Section(
        title="Live now",
        template="releases/section_live.html",
        link=reverse("console-board"),
        link_text="Board",
        content={"releases": list(rows[:40])},
    )
