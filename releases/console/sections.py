"""What `releases` brings to every page."""

from __future__ import annotations

from django.urls import reverse

from infra.console.sections import Note
from releases.selectors.blocks import line_stop_in_force
from releases.wording import quoted


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
