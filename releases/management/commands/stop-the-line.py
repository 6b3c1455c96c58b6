"""`manage.py stop-the-line stop|start|confirm|status`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from infra.cli import SlipwayCommand, add_actions
from releases.models import LineStop
from releases.selectors.blocks import line_stop_in_force
from releases.services import line


class Command(SlipwayCommand):
    help = "Stops everything that moves forward, everywhere; two persons start it again."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        actions = {"stop": _stop, "start": _start, "confirm": _confirm, "status": _status}
        add_actions(parser, actions)

    def run(self, **options: Any) -> Any:
        return getattr(self, f"run_{options['action']}")(options)

    def run_stop(self, options: dict[str, Any]) -> Any:
        row = line.stop_the_line(actor=self.actor(options), reason=options["reason"])
        self.say("The line is stopped: no promotion and no ramp step executes.")
        self.say("Halt, demote, revoke and roll back work as ever.")
        return _as_dict(row)

    def run_start(self, options: dict[str, Any]) -> Any:
        row = line.ask_to_start_the_line(actor=self.actor(options), reason=options["reason"])
        self.say("Asked for: nothing moves before another release manager confirms it.")
        return _as_dict(row)

    def run_confirm(self, options: dict[str, Any]) -> Any:
        row = line.confirm_start(actor=self.actor(options))
        self.say("The line runs again: what waited moves on within seconds.")
        return _as_dict(row)

    def run_status(self, options: dict[str, Any]) -> Any:
        row = line_stop_in_force()
        if row is None:
            self.say("The line runs.")
            return {"is_stopped": False, "stop": None}
        self.say(f"Stopped {row.stopped_at:%Y-%m-%d %H:%M} UTC by {row.stopped_by}: {row.reason}")
        if row.lift_asked_by:
            self.say(f"{row.lift_asked_by} asked to start it again: {row.lift_reason}")
        return {"is_stopped": True, "stop": _as_dict(row)}


def _as_dict(row: LineStop) -> dict[str, Any]:
    return {
        "id": str(row.pk),
        "stopped_by": str(row.stopped_by),
        "reason": row.reason,
        "stopped_at": row.stopped_at.isoformat(),
        "lift_asked_by": str(row.lift_asked_by) if row.lift_asked_by else None,
        "lift_reason": row.lift_reason,
        "lifted_by": str(row.lifted_by) if row.lifted_by else None,
        "lifted_at": row.lifted_at.isoformat() if row.lifted_at else None,
    }


def _stop(parser: CommandParser) -> None:
    """Stop the line"""
    parser.add_argument("--reason", required=True)


def _start(parser: CommandParser) -> None:
    """Ask to start it again, as the first of two persons"""
    parser.add_argument("--reason", required=True)


def _confirm(parser: CommandParser) -> None:
    """Start it again, as the second person"""


def _status(parser: CommandParser) -> None:
    """Whether it runs"""
