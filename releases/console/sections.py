"""What `releases` brings to the first page."""

from __future__ import annotations

from django.urls import reverse

from infra.actors import Actor
from infra.console.sections import Section
from releases.console import queries
from releases.selectors.facts import holds_in_force
from releases.selectors.releases import releases


def what_waits(*, actor: Actor) -> Section:
    """Open promotions, those that this person can move first."""
    queue = queries.queued()
    roles = {role.value for role in actor.roles}
    mine, others = [], []
    for item in queue:
        reason = item.waits_for
        owners = {name.strip() for name in (reason.owner if reason else "").split(",")}
        singular = {name + "s" for name in owners}
        asked = roles & (owners | singular) and item.promotion.requested_by_id != actor.person_id
        (mine if asked else others).append(item)
    return Section(
        title="What waits",
        template="releases/section_waits.html",
        link=reverse("console-promotions"),
        link_text="All promotions",
        content={"mine": mine, "others": others, "holds": list(holds_in_force())},
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
