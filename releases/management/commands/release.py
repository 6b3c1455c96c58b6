"""`manage.py release list|show|resume|demote|approve-step|end-ramp`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from infra import clock
from infra.cli import SlipwayCommand, add_actions
from releases.management.releases import add_release, release_asked, release_dict
from releases.models import Release
from releases.selectors import releases as selectors
from releases.selectors.ramps import ramp_views
from releases.services import ramps
from releases.services import releases as services
from releases.states import Arm

LIST_LIMIT = 200


class Command(SlipwayCommand):
    help = "Shows what is live where, resumes and demotes it, and moves candidates on."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        actions = {
            "list": _list,
            "show": _show,
            "resume": _resume,
            "demote": _demote,
            "approve-step": _approve_step,
            "end-ramp": _end_ramp,
        }
        add_actions(parser, actions)

    def run(self, **options: Any) -> Any:
        return getattr(self, f"run_{options['action'].replace('-', '_')}")(options)

    def run_list(self, options: dict[str, Any]) -> Any:
        found = selectors.releases()
        if not options["all"]:
            found = found.filter(ended_at__isnull=True)
        rows = list(found[:LIST_LIMIT])
        for row in rows:
            until = f" to {row.ended_at:%Y-%m-%d %H:%M}" if row.ended_at else ""
            span = f"{row.started_at:%Y-%m-%d %H:%M}{until}"
            place = f"{row.stage} {row.size} {row.arm} {row.share} %"
            self.say(f"{row.state:<7} {place}  {row.checkpoint}  since {span}  ({row.pk})")
        if not rows:
            self.say("Nothing is live yet.")
        return [release_dict(row) for row in rows]

    def run_resume(self, options: dict[str, Any]) -> Any:
        release = services.resume_release(
            actor=self.actor(options), release=release_asked(options), reason=options["reason"]
        )
        self.say(f"Live again: {release}  ({release.pk})")
        return release_dict(release)

    def run_demote(self, options: dict[str, Any]) -> Any:
        release = services.demote_release(
            actor=self.actor(options), release=release_asked(options), reason=options["reason"]
        )
        self.say(f"Demoted: {release}: {release.end_reason}")
        return release_dict(release)

    def run_show(self, options: dict[str, Any]) -> Any:
        return self._told(release_asked(options))

    def run_approve_step(self, options: dict[str, Any]) -> Any:
        moved = ramps.approve_step(
            actor=self.actor(options), release=release_asked(options), comment=options["comment"]
        )
        return self._told(moved)

    def run_end_ramp(self, options: dict[str, Any]) -> Any:
        ended = ramps.end_ramp(
            actor=self.actor(options), release=release_asked(options), reason=options["reason"]
        )
        return self._told(ended)

    def _told(self, release: Release) -> Any:
        """The release with its ramp and its guardrails."""
        self.say(f"{release}: {release.state}, {release.arm} {release.share} %  ({release.pk})")
        view = ramp_views([release], clock.now()).get(release.pk)
        if view is None:
            return release_dict(release) | {"ramp": None, "guardrails": []}
        self.say(f"  ramp {view.ramp.state}: {view.sentence}")
        for row in view.guardrails:
            self.say(f"  {row.watch:<9} {row.guardrail_id:<20} {row.sentence}")
        ramp = {
            "state": view.ramp.state,
            "step": view.number,
            "n_steps": view.n_steps,
            "step_ends_at": view.ramp.step_ends_at,
            "waits": view.waits,
            "sentence": view.sentence,
        }
        names = ("guardrail_id", "kind", "action", "watch", "sentence", "fired_at", "n_exposed")
        rails = [{name: getattr(row, name) for name in names} for row in view.guardrails]
        return release_dict(release) | {"ramp": ramp, "guardrails": rails}


def _list(parser: CommandParser) -> None:
    """What is live"""
    parser.add_argument("--all", action="store_true", help="what was live too")


def _show(parser: CommandParser) -> None:
    """One release with its ramp and its guardrails"""
    add_release(parser, Arm.CANDIDATE)


def _approve_step(parser: CommandParser) -> None:
    """Let a candidate's ramp go on"""
    add_release(parser, Arm.CANDIDATE)
    parser.add_argument("--comment", required=True)


def _end_ramp(parser: CommandParser) -> None:
    """Make a held-back candidate the incumbent"""
    add_release(parser, Arm.CANDIDATE)
    parser.add_argument("--reason", required=True)


def _resume(parser: CommandParser) -> None:
    """Let a halted release serve again"""
    add_release(parser)
    parser.add_argument("--reason", required=True)


def _demote(parser: CommandParser) -> None:
    """End a release"""
    add_release(parser)
    parser.add_argument("--reason", required=True)
