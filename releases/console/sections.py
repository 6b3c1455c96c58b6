"""What `releases` brings to the first page."""

from __future__ import annotations

from django.urls import reverse

from infra import clock
from infra.actors import Actor
from infra.console.sections import Note, Section
from releases.console import queries
from releases.selectors.blocks import follow_ups_owed, holds_in_force, line_stop_in_force
from releases.selectors.releases import releases
from releases.wording import quoted


def what_waits(*, actor: Actor) -> Section:
    """Open promotions, those that this person can move first."""
    return Section(
        title="What waits",
        template="releases/section_waits.html",
        link=reverse("console-promotions"),
        link_text="All promotions",
        content={
            "queue": queries.waiting(actor),
            "holds": list(holds_in_force()),
            "owed": list(follow_ups_owed()),
            "now": clock.now(),
        },
    )


def line_is_stopped() -> Note | None:
    """At the head of every page while nothing moves forward."""
    stop = line_stop_in_force()
    if stop is None:
        return None
    text = f"The line is stopped by {stop.stopped_by}: {quoted(stop.reason)}"
    link = reverse("console-line")
    if stop.lift_asked_by is not None:
        return Note(text=text, link=link, link_text=f"{stop.lift_asked_by} asks to start it again")
    return Note(text=text, link=link, link_text="What that means", tone="bad")


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
