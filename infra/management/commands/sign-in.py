"""Sign-in locks and lost second factors, from the command line."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from infra import lockouts, second_factors
from infra.cli import SlipwayCommand, add_actions
from infra.errors import NotFound
from infra.models import User


def locks(parser: CommandParser) -> None:
    """what failed sign-ins have locked now"""


def lift(parser: CommandParser) -> None:
    """open a login or an address again"""
    parser.add_argument("kind", choices=[kind.value for kind in lockouts.Counted])
    parser.add_argument("subject", help="the login, or the address")
    parser.add_argument("--reason", required=True)


def reset(parser: CommandParser) -> None:
    """remove all second factors of somebody who lost them"""
    parser.add_argument("login")
    parser.add_argument("--reason", required=True)


class Command(SlipwayCommand):
    help = "Signing in: locks, lift, reset-factors."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        add_actions(parser, {"locks": locks, "lift": lift, "reset-factors": reset})

    def run(self, **options: Any) -> Any:
        return getattr(self, f"run_{options['action'].replace('-', '_')}")(options)

    def run_locks(self, options: dict[str, Any]) -> list[dict[str, Any]]:
        found = list(lockouts.locks().values("kind", "subject", "n_failed", "ends_at"))
        for row in found:
            self.say(f"{row['kind']:8} {row['subject']:40} until {row['ends_at']:%H:%M} UTC")
        if not found:
            self.say("Nothing is locked.")
        return found

    def run_lift(self, options: dict[str, Any]) -> dict[str, Any]:
        named = {key: options[key] for key in ("kind", "subject", "reason")}
        row = lockouts.lift_lock(actor=self.actor(options), **named)
        self.say(f"{row} may try again now.")
        return {"kind": row.kind, "subject": row.subject}

    def run_reset_factors(self, options: dict[str, Any]) -> dict[str, Any]:
        login = User.objects.filter(username=options["login"]).first()
        if login is None:
            raise NotFound("no_such_login", f"There is no login {options['login']!r}.")
        second_factors.reset_factors(
            actor=self.actor(options), login=login, reason=options["reason"]
        )
        self.say(f"{login.username} signs in by the password alone now.")
        return {"login": login.username}
