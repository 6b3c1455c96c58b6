"""`manage.py brief [send]`: the first page in a terminal, or in your mail."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from infra.api.brief import BriefOut
from infra.brief.compose import brief_for
from infra.brief.rendering import as_html, as_text
from infra.cli import SlipwayCommand, moment_of
from infra.notifications import morning


class Command(SlipwayCommand):
    help = "What changed, what waits for you, what is at risk, last night's runs, today's traffic."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "do", nargs="?", choices=("show", "send"), default="show", help="send: mail it to you"
        )
        parser.add_argument(
            "--since",
            type=moment_of,
            help="ISO 8601, of the last 14 days; default: when you last looked at the page",
        )
        parser.add_argument("--html", action="store_true", help="print the e-mail's HTML")

    def run(self, **options: Any) -> Any:
        if options["do"] == "send":
            return self.send(options)
        found = brief_for(self.actor(options), options["since"])
        self.say(as_html(found) if options["html"] else as_text(found))
        return BriefOut(found).data

    def send(self, options: dict[str, Any]) -> dict[str, str]:
        """Today's Brief into the outbox, once; what it sent already stays as it is."""
        row = morning.write_own(actor=self.actor(options))
        self.say(f"Your Brief of {row.brief_on} to {row.address} is {row.state}.")
        return {"id": str(row.pk), "address": row.address, "state": row.state}
