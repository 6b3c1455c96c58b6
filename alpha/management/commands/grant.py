"""Grants from the command line."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import Any

from django.core.management.base import CommandParser
from django.db.models import Q

from alpha import selectors
from alpha.management.limit_options import add_limits, limits_in, told
from alpha.models import Grant
from alpha.services import grants, limits
from infra import clock
from infra.cli import SlipwayCommand, add_actions, moment_of
from infra.errors import InvalidInput, NotFound
from releases.selectors.pipelines import stage_named


def create(parser: CommandParser) -> None:
    """give a partner or a cohort access to a stage"""
    parser.add_argument("stage", help="pipeline/stage, such as chat/closed-alpha")
    who = parser.add_mutually_exclusive_group(required=True)
    who.add_argument("--partner")
    who.add_argument("--cohort")
    parser.add_argument("--days", type=int, help="days until it ends")
    add_limits(parser)
    parser.add_argument("--terms", default="", help="version of the terms accepted")
    parser.add_argument("--accepted-by", default="", help="who accepted them at the partner")
    parser.add_argument("--keep-transcripts", action="store_true", help="with their consent")
    parser.add_argument("--transcript-days", type=int, default=30)


def revoke(parser: CommandParser) -> None:
    """end a grant now"""
    parser.add_argument("stage")
    parser.add_argument("subject", help="the partner or the cohort")
    parser.add_argument("--reason", required=True)


def limit(parser: CommandParser) -> None:
    """replace the limits of a grant; those not given are lifted"""
    parser.add_argument("stage")
    parser.add_argument("subject", help="the partner or the cohort")
    parser.add_argument("--reason", required=True)
    add_limits(parser)


def extend(parser: CommandParser) -> None:
    """let a grant end at another moment ahead"""
    parser.add_argument("stage")
    parser.add_argument("subject", help="the partner or the cohort")
    until = parser.add_mutually_exclusive_group(required=True)
    until.add_argument("--until", help="such as 2026-12-24T18:00Z")
    until.add_argument("--days", type=int, help="days from now")
    until.add_argument("--no-end", action="store_true", help="until it is revoked")
    parser.add_argument("--reason", required=True)


ACTIONS = {"create": create, "limit": limit, "extend": extend, "revoke": revoke}


class Command(SlipwayCommand):
    help = "Grants: create, limit, extend, revoke."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        add_actions(parser, ACTIONS)

    def run(self, **options: Any) -> Any:
        return getattr(self, f"run_{options['action']}")(options)

    def run_create(self, options: dict[str, Any]) -> dict[str, Any]:
        if options["terms"] and not options["accepted_by"]:
            raise InvalidInput("terms_incomplete", "--terms goes with --accepted-by.")
        grant = grants.make_grant(
            actor=self.actor(options),
            stage=stage_named(options["stage"]),
            partner=selectors.partner_named(options["partner"]) if options["partner"] else None,
            cohort=selectors.cohort_named(options["cohort"]) if options["cohort"] else None,
            ends_at=clock.now() + timedelta(days=options["days"]) if options["days"] else None,
            quotas=limits_in(options),
            consent=grants.Consent(
                terms_version=options["terms"],
                accepted_by=options["accepted_by"],
                transcripts=options["keep_transcripts"],
                transcript_days=options["transcript_days"],
            ),
        )
        if not grant.terms_accepted_at:
            self.say("Calls are refused until the terms are accepted (--terms, --accepted-by).")
        self.say(f"Granted: {grant}.")
        return {"id": str(grant.pk), "grant": str(grant), "ends_at": grant.ends_at}

    def run_limit(self, options: dict[str, Any]) -> dict[str, Any]:
        grant = limits.set_grant_limits(
            actor=self.actor(options),
            grant=_grant_of(options),
            quotas=limits_in(options),
            reason=options["reason"],
        )
        self.say(f"{grant} may use: {told(grant.quotas) or 'as much as its keys and partner may'}.")
        return {"id": str(grant.pk), "grant": str(grant), "limits": asdict(grant.quotas)}

    def run_extend(self, options: dict[str, Any]) -> dict[str, Any]:
        ends_at = moment_of(options["until"]) if options["until"] else None
        if options["days"] is not None:
            ends_at = clock.now() + timedelta(days=options["days"])
        grant = grants.move_end(
            actor=self.actor(options),
            grant=_grant_of(options),
            ends_at=ends_at,
            reason=options["reason"],
        )
        self.say(f"{grant} ends {f'{ends_at:%Y-%m-%d %H:%M} UTC' if ends_at else 'when revoked'}.")
        return {"id": str(grant.pk), "grant": str(grant), "ends_at": grant.ends_at}

    def run_revoke(self, options: dict[str, Any]) -> dict[str, Any]:
        grant = _grant_of(options)
        grants.revoke_grant(actor=self.actor(options), grant=grant, reason=options["reason"])
        self.say(f"Revoked: {grant}. The next request is refused.")
        return {"id": str(grant.pk), "grant": str(grant)}


def _grant_of(options: dict[str, Any]) -> Grant:
    """The grant that is not revoked of that partner or cohort; NotFound."""
    subject = options["subject"]
    grant = Grant.objects.filter(
        Q(partner__name=subject) | Q(cohort__name=subject),
        stage=stage_named(options["stage"]),
        revoked_at=None,
    ).first()
    if grant is None:
        raise NotFound("no_such_grant", f"{subject} has no grant to {options['stage']}.")
    return grant
