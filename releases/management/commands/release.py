"""`manage.py release list|resume|demote`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from infra.cli import SlipwayCommand, add_actions
from releases.management.releases import add_release, release_asked, release_dict
from releases.selectors import releases as selectors
from releases.services import releases as services

LIST_LIMIT = 200


class Command(SlipwayCommand):
    help = "Shows what is live where, resumes and demotes it."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        add_actions(parser, {"list": _list, "resume": _resume, "demote": _demote})

    def run(self, **options: Any) -> Any:
        return getattr(self, f"run_{options['action']}")(options)

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
        self.say(f"Demoted: {release}")
        return release_dict(release)


def _list(parser: CommandParser) -> None:
    """What is live"""
    parser.add_argument("--all", action="store_true", help="what was live too")


def _resume(parser: CommandParser) -> None:
    """Let a halted release serve again"""
    add_release(parser)
    parser.add_argument("--reason", required=True)


def _demote(parser: CommandParser) -> None:
    """End a release"""
    add_release(parser)
    parser.add_argument("--reason", required=True)
