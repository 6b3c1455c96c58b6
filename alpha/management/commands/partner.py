"""Partners from the command line."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser
from django.urls import reverse

from alpha import selectors
from alpha.management.limit_options import add_limits, limits_in, told
from alpha.services import limits, partner_logins, partners
from alpha.services.terms import publish_terms
from infra.cli import SlipwayCommand, add_actions
from infra.errors import InvalidInput


def create(parser: CommandParser) -> None:
    """make a partner"""
    parser.add_argument("name")
    parser.add_argument("--email", required=True, help="whom to write to")
    add_limits(parser)


def limit(parser: CommandParser) -> None:
    """replace the limits of a partner, over all its keys; those not given are lifted"""
    parser.add_argument("name")
    parser.add_argument("--reason", required=True)
    add_limits(parser)


def end(parser: CommandParser) -> None:
    """end a partner's access, keys and grants"""
    parser.add_argument("name")
    parser.add_argument("--reason", required=True)


def listing(parser: CommandParser) -> None:
    """all partners"""


def invite(parser: CommandParser) -> None:
    """make a link that lets one person of a partner in, once"""
    parser.add_argument("name")
    parser.add_argument("email")
    parser.add_argument("--days", type=int, default=7, help="until the link expires")


def terms(parser: CommandParser) -> None:
    """publish a version of the terms, for good"""
    parser.add_argument("version", help="such as 2026-1")
    parser.add_argument("file", type=Path, help="its text")


def keys(parser: CommandParser) -> None:
    """let a partner's own people handle its keys, or no longer"""
    parser.add_argument("name")
    parser.add_argument("who", choices=["by-its-people", "by-us"])
    parser.add_argument("--reason", required=True)


ACTIONS = {
    "create": create,
    "limit": limit,
    "invite": invite,
    "keys": keys,
    "terms": terms,
    "end": end,
    "list": listing,
}


class Command(SlipwayCommand):
    help = "Partners: create, limit, invite, keys, terms, end, list."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        add_actions(parser, ACTIONS)

    def run(self, **options: Any) -> Any:
        return getattr(self, f"run_{options['action']}")(options)

    def run_create(self, options: dict[str, Any]) -> dict[str, str]:
        partner = partners.make_partner(
            actor=self.actor(options),
            name=options["name"],
            contact_email=options["email"],
            quotas=limits_in(options),
        )
        self.say(f"Made partner {partner}. Next: `manage.py grant create --partner {partner} …`.")
        return {"id": str(partner.pk), "name": partner.name}

    def run_limit(self, options: dict[str, Any]) -> dict[str, Any]:
        partner = limits.set_partner_limits(
            actor=self.actor(options),
            partner=selectors.partner_named(options["name"]),
            quotas=limits_in(options),
            reason=options["reason"],
        )
        self.say(f"{partner} may use: {told(partner.quotas) or 'as much as its grants allow'}.")
        return {"name": partner.name, "limits": asdict(partner.quotas)}

    def run_invite(self, options: dict[str, Any]) -> dict[str, Any]:
        made, secret = partner_logins.invite(
            actor=self.actor(options),
            partner=selectors.partner_named(options["name"]),
            email=options["email"],
            lasts=timedelta(days=options["days"]),
        )
        link = settings.BASE_URL.rstrip("/") + reverse("partner-invitation", args=[secret])
        self.say(f"The link for {made.email}, shown this once:\n\n    {link}\n")
        return {"id": str(made.pk), "link": link, "expires_at": made.expires_at}

    def run_keys(self, options: dict[str, Any]) -> dict[str, Any]:
        partner = partner_logins.let_issue_keys(
            actor=self.actor(options),
            partner=selectors.partner_named(options["name"]),
            may=options["who"] == "by-its-people",
            reason=options["reason"],
        )
        who = "Its own people" if partner.people_may_issue_keys else "Only managers"
        self.say(f"{who} issue, rotate and revoke the keys of {partner}.")
        return {"name": partner.name, "people_may_issue_keys": partner.people_may_issue_keys}

    def run_terms(self, options: dict[str, Any]) -> dict[str, Any]:
        try:
            text = options["file"].read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidInput("unreadable", f"{options['file']} can't be read: {error}") from error
        made = publish_terms(actor=self.actor(options), version=options["version"], text=text)
        self.say(f"Terms {made.version} are published.")
        return {"id": str(made.pk), "version": made.version}

    def run_end(self, options: dict[str, Any]) -> dict[str, str]:
        partner = selectors.partner_named(options["name"])
        partners.end_partner(actor=self.actor(options), partner=partner, reason=options["reason"])
        self.say(f"{partner} has ended; its keys and grants are revoked.")
        return {"id": str(partner.pk), "name": partner.name}

    def run_list(self, options: dict[str, Any]) -> list[dict[str, Any]]:
        rows = [
            {
                "name": partner.name,
                "cohorts": [cohort.name for cohort in partner.cohorts.all()],
                "keys": partner.n_keys,
                "grants": partner.n_grants,
                "ended_at": partner.ended_at,
            }
            for partner in selectors.partners()
        ]
        for row in rows:
            ended = f", ended {row['ended_at']:%Y-%m-%d}" if row["ended_at"] else ""
            cohorts = ", ".join(row["cohorts"]) or "no cohort"
            self.say(
                f"{row['name']:30} {cohorts}; {row['keys']} keys, {row['grants']} grants{ended}"
            )
        if not rows:
            self.say("No partners yet. Make one: manage.py partner create NAME --email ADDRESS")
        return rows
