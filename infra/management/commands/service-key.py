"""Keys of pipelines and CI from the command line."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from infra.cli import SlipwayCommand, add_actions, moment_of
from infra.errors import NotFound
from infra.roles import Scope
from infra.service_keys import keys, make_service_key, revoke_service_key


def make(parser: CommandParser) -> None:
    """make a key; its text is printed once"""
    parser.add_argument("name", help="who uses it, such as training-ci")
    parser.add_argument("scopes", nargs="+", choices=[scope.value for scope in Scope])
    parser.add_argument("--expires", metavar="MOMENT", help="such as 2026-03-01T09:00Z")


def revoke(parser: CommandParser) -> None:
    """end a key: its next request is refused"""
    parser.add_argument("name")
    parser.add_argument("--reason", required=True)


def listing(parser: CommandParser) -> None:
    """all keys, newest first"""


class Command(SlipwayCommand):
    help = "Service keys: make, revoke, list."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        add_actions(parser, {"make": make, "revoke": revoke, "list": listing})

    def run(self, **options: Any) -> Any:
        return getattr(self, f"run_{options['action']}")(options)

    def run_make(self, options: dict[str, Any]) -> dict[str, Any]:
        key, text = make_service_key(
            actor=self.actor(options),
            name=options["name"],
            scopes=[Scope(scope) for scope in options["scopes"]],
            expires_at=moment_of(options["expires"]) if options["expires"] else None,
        )
        self.say(f"Made {key.name}. This is the only time its text is shown:")
        self.say(text)
        return {"id": str(key.pk), "name": key.name, "key": text}

    def run_revoke(self, options: dict[str, Any]) -> dict[str, Any]:
        key = keys().filter(name=options["name"]).first()
        if key is None:
            message = f"There is no service key named {options['name']!r}."
            raise NotFound("no_such_key", f"{message} `manage.py service-key list` has them.")
        revoke_service_key(actor=self.actor(options), key=key, reason=options["reason"])
        self.say(f"{key.name} is revoked: its next request is refused.")
        return {"id": str(key.pk), "name": key.name}

    def run_list(self, options: dict[str, Any]) -> list[dict[str, Any]]:
        rows = [
            {
                "name": key.name,
                "public": key.public,
                "scopes": key.scopes,
                "expires_at": key.expires_at,
                "revoked_at": key.revoked_at,
            }
            for key in keys()
        ]
        for row in rows:
            state = "revoked" if row["revoked_at"] else ", ".join(row["scopes"])
            self.say(f"{row['name']:30} slk_{row['public']}  {state}")
        if not rows:
            self.say("No service key yet. Make one: manage.py service-key make NAME SCOPE")
        return rows
