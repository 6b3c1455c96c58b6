"""Suites from the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from evals import formats
from evals.selectors import health, suites
from evals.services import drafts
from evals.services import suites as services
from infra import clock
from infra.cli import SlipwayCommand, add_actions
from infra.errors import InvalidMove
from releases.selectors.staleness import Stale


def import_(parser: CommandParser) -> None:
    """a suite from files into a published version"""
    parser.add_argument("format", choices=formats.names())
    parser.add_argument("path", type=Path)
    parser.add_argument("--name", required=True)
    parser.add_argument("--draft", action="store_true", help="leave it a draft")
    parser.add_argument("--plan", action="store_true", help="only say what would go stale")


def export(parser: CommandParser) -> None:
    """a version (`sql` or `sql@7`) into files"""
    parser.add_argument("name")
    parser.add_argument("format", choices=formats.names())
    parser.add_argument("path", type=Path)


def list_(parser: CommandParser) -> None:
    """every suite with its newest version"""


def named(parser: CommandParser) -> None:
    """one suite"""
    parser.add_argument("name")


def publish(parser: CommandParser) -> None:
    """freeze the open draft; outcomes that rest on the older version go stale"""
    parser.add_argument("name")
    parser.add_argument("--plan", action="store_true", help="only say what would go stale")


def renew(parser: CommandParser) -> None:
    """move the review date, with the reason"""
    parser.add_argument("name")
    parser.add_argument("--until", type=date.fromisoformat, required=True, metavar="YYYY-MM-DD")
    parser.add_argument("--reason", required=True)


def discard(parser: CommandParser) -> None:
    """drop the open draft"""
    parser.add_argument("name")
    parser.add_argument("--reason", required=True)


class Command(SlipwayCommand):
    help = "Suites: import, export, list, show, health, publish, renew, discard."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        add_actions(
            parser,
            {
                "import": import_,
                "export": export,
                "list": list_,
                "show": named,
                "health": named,
                "publish": publish,
                "renew": renew,
                "discard": discard,
            },
        )

    def run(self, **options: Any) -> Any:
        return getattr(self, f"run_{options['action']}")(options)

    def run_import(self, options: dict[str, Any]) -> dict[str, Any]:
        spec = formats.read(options["format"], options["path"])
        if options["plan"]:
            found = suites.stale_by_import(options["name"], spec)
            return self._plan(options["name"], [] if options["draft"] else found)
        made = services.import_suite(
            actor=self.actor(options),
            name=options["name"],
            suite=spec,
            publish=not options["draft"],
        )
        version = made.version
        told = f"imported as {version}" if made.is_new else f"is {version} already, unchanged"
        self.say(f"{options['name']}: {version.n_cases} cases, {told}")
        for sentence in spec.not_expressible:
            self.say(f"  not expressible: {sentence}")
        self._say_stale("stale by it", made.stale)
        return {
            "suite": options["name"],
            "version": version.number,
            "is_new": made.is_new,
            "n_cases": version.n_cases,
            "components": sorted(version.components),
            "not_expressible": list(spec.not_expressible),
            "made_stale": [stale.as_dict() for stale in made.stale],
        }

    def run_export(self, options: dict[str, Any]) -> dict[str, Any]:
        version = suites.version_named(options["name"])
        formats.write(options["format"], suites.spec_of(version), options["path"])
        self.say(f"{version} written to {options['path']}")
        return {"suite": version.suite.name, "version": version.number, "n_cases": version.n_cases}

    def run_list(self, options: dict[str, Any]) -> list[dict[str, Any]]:
        found = []
        for suite in suites.suites():
            state, reason = health.suite_state(suite, clock.now().date())
            newest = f"@{suite.version_number}, {suite.version_n_cases} cases"
            shown = newest if suite.version_number else "no published version"
            self.say(f"{suite.name:24} {shown:24} {state.value}: {reason}")
            row = {"name": suite.name, "version": suite.version_number, "state": state.value}
            found.append({**row, "n_cases": suite.version_n_cases, "owner": suite.owner.name})
        return found

    def run_show(self, options: dict[str, Any]) -> dict[str, Any]:
        version = suites.version_named(options["name"])
        suite = version.suite
        self.say(f"{version}: {suite.description}".rstrip(": "))
        self.say(f"  {version.n_cases} cases, owner {suite.owner.name}, digest {version.digest}")
        for label in sorted(version.components):
            self.say(f"  {label:32} {version.components[label]}")
        return {
            "suite": suite.name,
            "version": version.number,
            "digest": version.digest,
            "n_cases": version.n_cases,
            "components": version.components,
            "graders": version.graders,
            "owner": suite.owner.name,
            "review_by": suite.review_by.isoformat(),
        }

    def run_health(self, options: dict[str, Any]) -> dict[str, Any]:
        suite = suites.suite_named(options["name"])
        found = health.suite_health(suite, clock.now().date())
        self.say(f"{suite.name} is {found.state.value}: {found.reason}.")
        if found.n_checkpoints < health.CHECKPOINTS_TO_CALL_CONSTANT:
            self.say(f"{found.n_checkpoints} checkpoints were run: too few to find constant cases.")
        else:
            seen = f"over {found.n_checkpoints} checkpoints"
            self.say(f"{found.n_constant} of {found.n_cases} cases are constant {seen}.")
        return {"suite": suite.name, **asdict(found)}

    def run_publish(self, options: dict[str, Any]) -> dict[str, Any]:
        suite, actor = suites.suite_named(options["name"]), self.actor(options)
        draft = suites.draft(suite)
        if draft is None:
            raise InvalidMove("no_draft", f"Suite {suite.name} has no open draft to publish.")
        if options["plan"]:
            return self._plan(suite.name, suites.stale_by_draft(draft))
        done = drafts.publish(actor=actor, draft=draft)
        version = done.version
        self.say(f"{version} is published with {version.n_cases} cases")
        self._say_stale("stale by it", done.stale)
        return {
            "suite": suite.name,
            "version": version.number,
            "digest": version.digest,
            "made_stale": [stale.as_dict() for stale in done.stale],
        }

    def _plan(self, suite: str, stale: Sequence[Stale]) -> dict[str, Any]:
        self._say_stale("would go stale", stale)
        if not stale:
            self.say("No outcome of an open promotion would go stale.")
        self.say("Nothing was written. Leave --plan out to publish it.")
        return {"suite": suite, "would_go_stale": [found.as_dict() for found in stale]}

    def _say_stale(self, what: str, stale: Sequence[Stale]) -> None:
        for found in stale:
            self.say(f"  {what}: {found.sentence}")

    def run_renew(self, options: dict[str, Any]) -> dict[str, Any]:
        suite = services.renew_suite(
            actor=self.actor(options),
            suite=suites.suite_named(options["name"]),
            review_by=options["until"],
            reason=options["reason"],
        )
        self.say(f"{suite.name} is to be reviewed by {suite.review_by}")
        return {"suite": suite.name, "review_by": suite.review_by.isoformat()}

    def run_discard(self, options: dict[str, Any]) -> dict[str, Any]:
        suite = suites.suite_named(options["name"])
        drafts.discard_draft(actor=self.actor(options), suite=suite, reason=options["reason"])
        self.say(f"the draft of {suite.name} is gone")
        return {"suite": suite.name}
