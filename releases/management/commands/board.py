"""`manage.py board`: who occupies which stage, and why the rest waits."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from infra.cli import SlipwayCommand
from releases.api.board import as_dict


class Command(SlipwayCommand):
    help = "Each pipeline's stages with what is live there, and what every open promotion awaits."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--family", default="", help="of this family alone")

    def run(self, **options: Any) -> Any:
        found = as_dict(options["family"])
        for family in found["families"]:
            self.say(family["family"])
            for stage in family["stages"]:
                self._stage(stage)
        for item in found["queue"]:
            self._queued(item)
        if not found["families"]:
            self.say("No pipeline yet: python manage.py apply -f pipeline.yaml")
        return found

    def _stage(self, stage: dict[str, Any]) -> None:
        marks = [word for word in ("held", "frozen") if stage[f"is_{word}"]]
        words = ", ".join([stage["after"], *marks] if stage["after"] else marks)
        self.say(f"  {stage['name']}{f'  ({words})' if words else ''}")
        for one in stage["occupants"]:
            share = f"{one['arm']} {one['share']} %"
            self.say(
                f"    {one['size']}: {one['checkpoint']}, {share}, {one['state']} {one['ramp']}"
            )
        if not stage["occupants"]:
            self.say("    nothing is live")

    def _queued(self, item: dict[str, Any]) -> None:
        reason = item["waits_for"]
        said = reason["sentence"] if reason else "Nothing: it is promoted within seconds."
        self.say(f"{item['checkpoint']} → {item['into']} [{item['state']}]: {said}")
