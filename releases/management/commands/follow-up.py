"""`manage.py follow-up list|complete`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from infra import clock
from infra.cli import SlipwayCommand, add_actions
from releases.management.arguments import uuid_of
from releases.models import FollowUp
from releases.selectors.controls import follow_up_with_id, follow_ups
from releases.services.follow_ups import complete_follow_up


class Command(SlipwayCommand):
    help = "What hotfixes owe; missed, it blocks the next promotion into the stage."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        add_actions(parser, {"list": _list, "complete": _complete})

    def run(self, **options: Any) -> Any:
        return getattr(self, f"run_{options['action']}")(options)

    def run_list(self, options: dict[str, Any]) -> Any:
        rows = list(follow_ups().filter(done_at__isnull=True))
        for row in rows:
            late = "missed" if row.due_at <= clock.now() else "due"
            self.say(f"{late} {row.due_at:%Y-%m-%d %H:%M} UTC  {row.promotion}  ({row.pk})")
        if not rows:
            self.say("No hotfix owes a follow-up.")
        return [_as_dict(row) for row in rows]

    def run_complete(self, options: dict[str, Any]) -> Any:
        row = complete_follow_up(
            actor=self.actor(options),
            follow_up=follow_up_with_id(uuid_of(options["id"], "follow-up")),
            note=options["note"],
        )
        self.say(f"Done: {row}")
        return _as_dict(row)


def _as_dict(row: FollowUp) -> dict[str, Any]:
    return {
        "id": str(row.pk),
        "promotion": str(row.promotion_id),
        "checkpoint": row.promotion.checkpoint.name,
        "stage": str(row.promotion.stage),
        "due_at": row.due_at.isoformat(),
        "done_at": row.done_at.isoformat() if row.done_at else None,
        "note": row.note,
    }


def _list(parser: CommandParser) -> None:
    """What is owed, what is due first"""


def _complete(parser: CommandParser) -> None:
    """Tell what was looked at afterwards"""
    parser.add_argument("id", metavar="ID")
    parser.add_argument("--note", required=True)
