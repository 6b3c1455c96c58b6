"""`manage.py reject CHECKPOINT`: out of every stage, and promoted by nobody and nothing."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from infra.cli import SlipwayCommand
from releases.management.controls import rejection_dict
from releases.selectors.checkpoints import checkpoint_named
from releases.services.rejections import reject_checkpoint


class Command(SlipwayCommand):
    help = "Takes a checkpoint out of every stage; two persons take that back (unreject)."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("checkpoint", metavar="CHECKPOINT")
        parser.add_argument("--reason", required=True)

    def run(self, **options: Any) -> Any:
        row = reject_checkpoint(
            actor=self.actor(options),
            checkpoint=checkpoint_named(options["checkpoint"]),
            reason=options["reason"],
        )
        self.say(f"Rejected: {row.checkpoint}. It is live nowhere, and nothing promotes it.")
        return rejection_dict(row)
