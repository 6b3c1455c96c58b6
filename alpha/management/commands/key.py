"""Partner keys from the command line."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.management.base import CommandParser

from alpha import selectors
from alpha.services import keys
from infra import clock
from infra.cli import SlipwayCommand, add_actions


def create(parser: CommandParser) -> None:
    """issue a key; it is shown once"""
    parser.add_argument("partner")
    parser.add_argument("--name", default="", help="what the key is for")
    parser.add_argument("--days", type=int, help="days until it expires")
    parser.add_argument("--from", dest="addresses", action="append", default=[], metavar="NETWORK")


def revoke(parser: CommandParser) -> None:
    """end a key now"""
    parser.add_argument("public", help="the part after slw_")
    parser.add_argument("--reason", required=True)


class Command(SlipwayCommand):
    help = "Partner keys: create, revoke."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        add_actions(parser, {"create": create, "revoke": revoke})

    def run(self, **options: Any) -> Any:
        return getattr(self, f"run_{options['action']}")(options)

    def run_create(self, options: dict[str, Any]) -> dict[str, Any]:
        days = options["days"]
        key, text = keys.issue_key(
            actor=self.actor(options),
            partner=selectors.partner_named(options["partner"]),
            name=options["name"],
            expires_at=clock.now() + timedelta(days=days) if days else None,
            allowed_addresses=options["addresses"],
        )
        self.say(f"The key of {key.partner}, shown this once:\n\n    {text}\n")
        return {"public": key.public, "partner": key.partner.name, "key": text}

    def run_revoke(self, options: dict[str, Any]) -> dict[str, str]:
        key = selectors.key_with_public(options["public"])
        keys.revoke_key(actor=self.actor(options), key=key, reason=options["reason"])
        self.say(f"{key} of {key.partner} is revoked; its next request is refused.")
        return {"public": key.public, "partner": key.partner.name}
