"""Partner keys from the command line."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import Any

from django.core.management.base import CommandParser

from alpha import selectors
from alpha.management.limit_options import add_limits, limits_in, told
from alpha.services import keys, limits
from infra import clock
from infra.cli import SlipwayCommand, add_actions


def create(parser: CommandParser) -> None:
    """issue a key; it is shown once"""
    parser.add_argument("partner")
    parser.add_argument("--name", default="", help="what the key is for")
    parser.add_argument("--days", type=int, help="days until it expires")
    parser.add_argument("--from", dest="addresses", action="append", default=[], metavar="NETWORK")
    add_limits(parser)


def limit(parser: CommandParser) -> None:
    """replace the limits of a key; those not given are lifted"""
    parser.add_argument("public", help="the part after slw_")
    parser.add_argument("--reason", required=True)
    add_limits(parser)


def revoke(parser: CommandParser) -> None:
    """end a key now"""
    parser.add_argument("public", help="the part after slw_")
    parser.add_argument("--reason", required=True)


def rotate(parser: CommandParser) -> None:
    """issue a successor with the same limits; the old key ends after the overlap"""
    parser.add_argument("public", help="the part after slw_")
    parser.add_argument("--overlap-hours", type=int, default=24, help="while both work")


ACTIONS = {"create": create, "limit": limit, "rotate": rotate, "revoke": revoke}


class Command(SlipwayCommand):
    help = "Partner keys: create, limit, rotate, revoke."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        add_actions(parser, ACTIONS)

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
            quotas=limits_in(options),
        )
        self.say(f"The key of {key.partner}, shown this once:\n\n    {text}\n")
        return {"public": key.public, "partner": key.partner.name, "key": text}

    def run_limit(self, options: dict[str, Any]) -> dict[str, Any]:
        key = limits.set_key_limits(
            actor=self.actor(options),
            key=selectors.key_with_public(options["public"]),
            quotas=limits_in(options),
            reason=options["reason"],
        )
        self.say(f"{key} may use: {told(key.quotas) or 'as much as its partner and grants may'}.")
        return {"public": key.public, "limits": asdict(key.quotas)}

    def run_rotate(self, options: dict[str, Any]) -> dict[str, Any]:
        old = selectors.key_with_public(options["public"])
        overlap = timedelta(hours=options["overlap_hours"])
        key, text = keys.rotate_key(actor=self.actor(options), key=old, overlap=overlap)
        self.say(f"The successor of {old}, shown this once:\n\n    {text}\n")
        self.say(f"{old} ends {key.replaces.expires_at:%Y-%m-%d %H:%M} UTC.")
        return {"public": key.public, "partner": key.partner.name, "key": text}

    def run_revoke(self, options: dict[str, Any]) -> dict[str, str]:
        key = selectors.key_with_public(options["public"])
        keys.revoke_key(actor=self.actor(options), key=key, reason=options["reason"])
        self.say(f"{key} of {key.partner} is revoked; its next request is refused.")
        return {"public": key.public, "partner": key.partner.name}
