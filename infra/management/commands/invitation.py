"""Invitations from the command line."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.management.base import CommandParser

from infra import invitations
from infra.cli import SlipwayCommand, add_actions
from infra.models import Invitation
from infra.roles import SINGULAR, Role, role_named


def make(parser: CommandParser) -> None:
    """ask somebody in; prints the link, which works once"""
    parser.add_argument("email")
    parser.add_argument("--name", required=True)
    roles = sorted({*(role.value for role in Role), *SINGULAR})
    parser.add_argument("--role", action="append", default=[], choices=roles, metavar="ROLE")


def list_(parser: CommandParser) -> None:
    """all of them, newest first"""


def revoke(parser: CommandParser) -> None:
    """take an open one back"""
    parser.add_argument("id", type=UUID)
    parser.add_argument("--reason", required=True)


class Command(SlipwayCommand):
    help = "Invitations: make, list, revoke."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        add_actions(parser, {fill.__name__.rstrip("_"): fill for fill in (make, list_, revoke)})

    def run(self, **options: Any) -> Any:
        return getattr(self, f"run_{options['action']}")(options)

    def run_make(self, options: dict[str, Any]) -> dict[str, Any]:
        row, token = invitations.invite(
            actor=self.actor(options),
            email=options["email"],
            name=options["name"],
            roles=[role_named(name) for name in options["role"]],
        )
        link, not_sent = invitations.link_of(token), invitations.send_invitation(row, token)
        self.say(f"{row} is invited until {row.expires_at:%Y-%m-%d %H:%M} UTC.")
        self.say(f"{not_sent} Hand this link over:" if not_sent else "The link was mailed too:")
        self.say(link)
        return {"id": str(row.pk), "link": link, "not_sent": not_sent}

    def run_list(self, options: dict[str, Any]) -> list[dict[str, Any]]:
        found = [
            {"id": str(row.pk), "email": row.email, "roles": row.roles, "state": row.state}
            for row in Invitation.objects.all()
        ]
        for row in found:
            roles = ", ".join(row["roles"]) or "no role"
            self.say(f"{row['id']}  {row['state']:9} {row['email']:32} {roles}")
        return found

    def run_revoke(self, options: dict[str, Any]) -> dict[str, Any]:
        row = invitations.revoke_invitation(
            actor=self.actor(options), invitation_id=options["id"], reason=options["reason"]
        )
        self.say(f"The link of {row.email} leads nowhere now.")
        return {"id": str(row.pk), "state": row.state}
