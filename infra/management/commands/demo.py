"""The demo, from the command line; the supervisor runs it in the background."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from infra.cli import SlipwayCommand, add_actions
from infra.demo.player import play


def playing(parser: CommandParser) -> None:
    """play the demo, or go on where it stopped"""


class Command(SlipwayCommand):
    help = "Plays the demo against the running product."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        add_actions(parser, {"play": playing})

    def run(self, **options: Any) -> dict[str, str]:
        play(self._say_at_once)
        return {"demo": "done"}

    def _say_at_once(self, line: str) -> None:
        self.say(line)
        self.stdout.flush()
