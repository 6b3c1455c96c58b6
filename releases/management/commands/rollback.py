"""`manage.py rollback STAGE SIZE`: the last verified release serves again."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from infra.cli import SlipwayCommand
from releases.management.releases import release_dict
from releases.selectors.pipelines import stage_named
from releases.services.releases import roll_back


class Command(SlipwayCommand):
    help = "Returns a stage to its last verified release; no gate and no hold is asked."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("stage", metavar="STAGE")
        parser.add_argument("size", metavar="SIZE")
        parser.add_argument("--reason", required=True)

    def run(self, **options: Any) -> Any:
        release = roll_back(
            actor=self.actor(options),
            stage=stage_named(options["stage"]),
            size=options["size"],
            reason=options["reason"],
        )
        self.say(f"Serves again: {release}  ({release.pk})")
        return release_dict(release)
