"""`manage.py hold place|lift|list`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from infra.cli import SlipwayCommand, add_actions
from releases.management.arguments import uuid_of
from releases.models import Hold
from releases.selectors import releases as selectors
from releases.selectors.checkpoints import checkpoint_named
from releases.selectors.pipelines import stage_named
from releases.services import holds as services


class Command(SlipwayCommand):
    help = "Stops forward moves of a checkpoint or into a stage, and lets them go on."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        add_actions(parser, {"place": _place, "lift": _lift, "list": _list})

    def run(self, **options: Any) -> Any:
        return getattr(self, f"run_{options['action']}")(options)

    def run_place(self, options: dict[str, Any]) -> Any:
        checkpoint, stage = options["checkpoint"], options["stage"]
        hold = services.place_hold(
            actor=self.actor(options),
            reason=options["reason"],
            checkpoint=checkpoint_named(checkpoint) if checkpoint else None,
            stage=stage_named(stage) if stage else None,
        )
        self.say(f"Placed: {hold}  ({hold.pk})")
        return _as_dict(hold)

    def run_lift(self, options: dict[str, Any]) -> Any:
        hold = selectors.hold_with_id(uuid_of(options["id"], "hold"))
        actor = self.actor(options)
        lifted = services.lift_hold(actor=actor, hold=hold, reason=options["reason"])
        self.say(f"Lifted: {lifted}")
        return _as_dict(lifted)

    def run_list(self, options: dict[str, Any]) -> Any:
        rows = list(selectors.holds().filter(lifted_at__isnull=True))
        for row in rows:
            owner = row.owner or "Slipway"
            self.say(f"{row.placed_at:%Y-%m-%d %H:%M}  {row} by {owner}: {row.reason}  ({row.pk})")
        if not rows:
            self.say("No hold is in force.")
        return [_as_dict(row) for row in rows]


def _as_dict(hold: Hold) -> dict[str, Any]:
    return {
        "id": str(hold.pk),
        "checkpoint": hold.checkpoint.name if hold.checkpoint else None,
        "stage": str(hold.stage) if hold.stage else None,
        "owner": hold.owner.name if hold.owner else None,
        "reason": hold.reason,
        "placed_at": hold.placed_at.isoformat(),
        "lifted_at": hold.lifted_at.isoformat() if hold.lifted_at else None,
    }


def _place(parser: CommandParser) -> None:
    """Place a hold on a checkpoint or on a stage"""
    subject = parser.add_mutually_exclusive_group(required=True)
    subject.add_argument("--checkpoint", metavar="NAME", default="")
    subject.add_argument("--stage", metavar="STAGE", default="")
    parser.add_argument("--reason", required=True)


def _lift(parser: CommandParser) -> None:
    """Lift a hold"""
    parser.add_argument("id", metavar="ID")
    parser.add_argument("--reason", required=True)


def _list(parser: CommandParser) -> None:
    """The holds in force"""
