"""`manage.py halt RELEASE | --stage STAGE --size SIZE`: stop serving at once."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from infra.cli import SlipwayCommand
from releases.management.releases import add_release, release_asked, release_dict
from releases.services.releases import halt_release


class Command(SlipwayCommand):
    help = "Stops a release from serving, at once."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        add_release(parser)
        parser.add_argument("--reason", required=True)

    def run(self, **options: Any) -> Any:
        release = halt_release(
            actor=self.actor(options), release=release_asked(options), reason=options["reason"]
        )
        self.say(f"Halted: {release}  ({release.pk})")
        return release_dict(release)
