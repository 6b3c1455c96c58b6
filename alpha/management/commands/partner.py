"""Partners from the command line."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser

from alpha import selectors
from alpha.management.limit_options import add_limits, limits_in, told
from alpha.services import limits, partners
from infra.cli import SlipwayCommand, add_actions


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


class Command(SlipwayCommand):
    help = "Partners: create, limit, end, list."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        add_actions(parser, {"create": create, "limit": limit, "end": end, "list": listing})

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
