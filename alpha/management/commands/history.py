"""`manage.py history stage|checkpoint`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from alpha import history
from alpha.api.history import StageThenOut, StayOut
from alpha.history import Stay
from alpha.selectors import partner_named
from infra import clock
from infra.cli import SlipwayCommand, add_actions, moment_of
from releases.selectors.checkpoints import checkpoint_named
from releases.selectors.history import stage_ever_named


class Command(SlipwayCommand):
    help = "Looks back: what was in a stage at a moment, and who was exposed to a checkpoint."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        add_actions(parser, {"stage": _stage, "checkpoint": _checkpoint})

    def run(self, **options: Any) -> Any:
        return getattr(self, f"run_{options['action']}")(options)

    def run_stage(self, options: dict[str, Any]) -> Any:
        found = history.stage_then(
            stage_ever_named(options["stage"]),
            moment_of(options["at"]) if options["at"] else clock.now(),
            partner_named(options["partner"]) if options["partner"] else None,
            options["size"],
        )
        self.say(found.sentence)
        for grant in found.grants:
            via = f"cohort {grant.cohort}" if grant.cohort else "its own"
            self.say(f"  grant {grant.pk} ({via}) since {grant.opens_at:%Y-%m-%d %H:%M} UTC")
        if found.last_request is not None:
            last = found.last_request
            when = f"{last.at:%Y-%m-%d %H:%M:%S} UTC"
            self.say(f"  last request {last.request_id} at {when}: {last.checkpoint}, {last.arm}")
        return StageThenOut(found).data

    def run_checkpoint(self, options: dict[str, Any]) -> Any:
        stays = history.exposures_of(checkpoint_named(options["checkpoint"]))
        for stay in stays:
            self._say_stay(stay)
        if not stays:
            self.say(f"{options['checkpoint']} was never live, so nobody was exposed to it.")
        return StayOut(stays, many=True).data

    def _say_stay(self, stay: Stay) -> None:
        release = stay.release
        end = f"{release.ended_at:%Y-%m-%d %H:%M}" if release.ended_at else "now"
        span = f"{release.started_at:%Y-%m-%d %H:%M} to {end}"
        self.say(f"{release.stage}, {span}: {stay.n_requests} requests")
        for row in stay.exposures:
            seen = f"{row.first_at:%Y-%m-%d %H:%M} to {row.last_at:%Y-%m-%d %H:%M}"
            self.say(f"  {row.partner:<24} {row.n_requests} requests, {row.n_units} units, {seen}")


def _stage(parser: CommandParser) -> None:
    """Which checkpoint was in STAGE at a moment"""
    parser.add_argument("stage", metavar="STAGE", help="stage, or pipeline/stage; retired ones too")
    parser.add_argument("--at", metavar="TIME", default="", help="such as 2026-03-01T09:00Z; now")
    parser.add_argument("--partner", metavar="NAME", default="", help="for whom")
    parser.add_argument("--size", metavar="SIZE", default="")


def _checkpoint(parser: CommandParser) -> None:
    """Who was exposed to CHECKPOINT, when, by how many requests"""
    parser.add_argument("checkpoint", metavar="CHECKPOINT")
