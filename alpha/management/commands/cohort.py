"""Cohorts from the command line."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from alpha import selectors
from alpha.models import Cohort
from alpha.services import partners
from infra.cli import SlipwayCommand, add_actions


def create(parser: CommandParser) -> None:
    """make a cohort"""
    parser.add_argument("name")


def join(parser: CommandParser) -> None:
    """put a partner into a cohort"""
    parser.add_argument("name")
    parser.add_argument("partner")


def leave(parser: CommandParser) -> None:
    """take a partner out of a cohort"""
    join(parser)
    parser.add_argument("--reason", required=True)


def listing(parser: CommandParser) -> None:
    """all cohorts with their partners"""


class Command(SlipwayCommand):
    help = "Cohorts: create, join, leave, list."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        add_actions(parser, {"create": create, "join": join, "leave": leave, "list": listing})

    def run(self, **options: Any) -> Any:
        return getattr(self, f"run_{options['action']}")(options)

    def run_create(self, options: dict[str, Any]) -> dict[str, str]:
        cohort = partners.make_cohort(actor=self.actor(options), name=options["name"])
        self.say(f"Made cohort {cohort}. Next: `manage.py cohort join {cohort} PARTNER`.")
        return {"id": str(cohort.pk), "name": cohort.name}

    def run_join(self, options: dict[str, Any]) -> dict[str, str]:
        cohort = selectors.cohort_named(options["name"])
        partner = selectors.partner_named(options["partner"])
        partners.join_cohort(actor=self.actor(options), cohort=cohort, partner=partner)
        self.say(f"{partner} is in {cohort}.")
        return {"cohort": cohort.name, "partner": partner.name}

    def run_leave(self, options: dict[str, Any]) -> dict[str, str]:
        cohort = selectors.cohort_named(options["name"])
        partner = selectors.partner_named(options["partner"])
        partners.leave_cohort(
            actor=self.actor(options), cohort=cohort, partner=partner, reason=options["reason"]
        )
        self.say(f"{partner} has left {cohort}.")
        return {"cohort": cohort.name, "partner": partner.name}

    def run_list(self, options: dict[str, Any]) -> list[dict[str, Any]]:
        rows = [
            {"name": cohort.name, "partners": [partner.name for partner in cohort.partners.all()]}
            for cohort in Cohort.objects.prefetch_related("partners")
        ]
        for row in rows:
            self.say(f"{row['name']:30} {', '.join(row['partners']) or 'nobody yet'}")
        if not rows:
            self.say("No cohorts yet. Make one: manage.py cohort create NAME")
        return rows
