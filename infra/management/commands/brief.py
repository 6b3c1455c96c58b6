"""`manage.py brief`: the first page in a terminal."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from infra.api.brief import BriefOut
from infra.brief.compose import brief_for
from infra.brief.rendering import as_html, as_text
from infra.cli import SlipwayCommand, moment_of


class Command(SlipwayCommand):
    help = "What changed, what waits for you, what is at risk, last night's runs, today's traffic."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--since",
            type=moment_of,
            help="ISO 8601, of the last 14 days; default: when you last looked at the page",
        )
        parser.add_argument("--html", action="store_true", help="print the e-mail's HTML")

    def run(self, **options: Any) -> Any:
        found = brief_for(self.actor(options), options["since"])
        self.say(as_html(found) if options["html"] else as_text(found))
        return BriefOut(found).data
