"""`manage.py unreject CHECKPOINT --reason R`, then `--confirm` by another person."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from infra.cli import SlipwayCommand
from releases.management.controls import rejection_dict
from releases.selectors.checkpoints import checkpoint_named
from releases.services.rejections import ask_to_unreject, confirm_unreject


class Command(SlipwayCommand):
    help = "Takes a rejection back: one release manager asks, another one confirms."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("checkpoint", metavar="CHECKPOINT")
        how = parser.add_mutually_exclusive_group(required=True)
        how.add_argument("--reason", default="", help="ask for it, as the first person")
        how.add_argument("--confirm", action="store_true", help="confirm it, as the second one")

    def run(self, **options: Any) -> Any:
        actor, checkpoint = self.actor(options), checkpoint_named(options["checkpoint"])
        if options["confirm"]:
            row = confirm_unreject(actor=actor, checkpoint=checkpoint)
            self.say(f"{checkpoint} is no longer rejected: request its promotion anew.")
        else:
            row = ask_to_unreject(actor=actor, checkpoint=checkpoint, reason=options["reason"])
            self.say(f"Asked for: {checkpoint} stays rejected until another person confirms it.")
        return rejection_dict(row)
