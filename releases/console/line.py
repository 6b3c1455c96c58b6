"""The line: whether anything moves forward, and everything else that stops it now."""

from __future__ import annotations

from typing import Any

from infra import clock
from infra.console.fields import NoForm, RowWhyForm, WhyForm
from infra.console.pages import Page
from infra.roles import Role
from releases.console.forms import NoteForm
from releases.selectors import controls
from releases.selectors.blocks import follow_ups_owed, line_stop_in_force, rejections_in_force
from releases.selectors.freezes import as_it_stands, freeze_with_id, standing_freezes
from releases.services import freezes, line
from releases.services.follow_ups import complete_follow_up


class LinePage(Page):
    """Stop by one, start by two; freezes, rejections and follow-ups beside it."""

    template_name = "releases/line.html"
    title = "Stop the line"
    forms = {
        "stop": WhyForm,
        "start": WhyForm,
        "confirm": NoForm,
        "end_freeze": RowWhyForm,
        "follow_up": NoteForm,
    }
    decisions = frozenset({"start", "confirm", "end_freeze", "follow_up"})

    def context(self) -> dict[str, Any]:
        now = clock.now()
        return {
            "stop": line_stop_in_force(),
            "before": controls.line_stops().filter(lifted_at__isnull=False)[:10],
            "freezes": [as_it_stands(row, now) for row in standing_freezes()],
            "rejections": rejections_in_force(),
            "owed": follow_ups_owed(),
            "now": now,
            "may_brake": self.actor.may(Role.RELEASE_MANAGER),
        }

    def do_stop(self, data: dict[str, Any]) -> str:
        line.stop_the_line(actor=self.actor, reason=data["reason"])
        return "The line is stopped: nothing moves forward anywhere."

    def do_start(self, data: dict[str, Any]) -> str:
        line.ask_to_start_the_line(actor=self.actor, reason=data["reason"])
        return "Asked for: another release manager has to confirm it."

    def do_confirm(self, data: dict[str, Any]) -> str:
        line.confirm_start(actor=self.actor)
        return "The line runs again: what waited moves on within seconds."

    def do_end_freeze(self, data: dict[str, Any]) -> str:
        row = freezes.end_freeze(
            actor=self.actor, freeze=freeze_with_id(data["id"]), reason=data["reason"]
        )
        return f"The freeze {row} has ended."

    def do_follow_up(self, data: dict[str, Any]) -> str:
        row = controls.follow_up_with_id(data["id"])
        complete_follow_up(actor=self.actor, follow_up=row, note=data["note"])
        return "The follow-up is done."
