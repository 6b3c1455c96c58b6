"""Suites from the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from evals import formats
from evals.formats import contract
from evals.formats.contract import SuiteSpec
from evals.selectors import health, suites
from evals.services import drafts
from evals.services import suites as services
from evals.services.health import audit_case
from evals.shelf import notes_of
from evals.states import AuditFinding
from infra import clock
from infra.cli import SlipwayCommand, add_actions
from infra.errors import InvalidInput, InvalidMove, NotFound
from releases.selectors.staleness import Stale


def import_(parser: CommandParser) -> None:
    """a suite from files into a published version"""
    parser.add_argument("format", choices=formats.names())
    parser.add_argument("path", type=Path)
    parser.add_argument("--name", required=True)
    parser.add_argument("--draft", action="store_true", help="leave it a draft")
    parser.add_argument("--limit", type=int, metavar="N", help="the first N cases alone")
    parser.add_argument(
        "--max-tokens", type=int, metavar="N", help="of every answer, instead of the file's"
    )
    parser.add_argument("--plan", action="store_true", help="only say what would go stale")


def export(parser: CommandParser) -> None:
    """a version (`sql` or `sql@7`) into files"""
    parser.add_argument("name")
    parser.add_argument("format", choices=formats.names())
    parser.add_argument("path", type=Path)


def list_(parser: CommandParser) -> None:
    """every suite with its newest version"""
    parser.add_argument("--probes", action="store_true", help="those that probes made")


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


def audit(parser: CommandParser) -> None:
    """say whose fault a case's failures are"""
    parser.add_argument("name")
    parser.add_argument("case")
    parser.add_argument("finding", choices=[finding.value for finding in AuditFinding])
    parser.add_argument("--reason", required=True)


def discard(parser: CommandParser) -> None:
    """drop the open draft"""
    parser.add_argument("name")
    parser.add_argument("--reason", required=True)


class Command(SlipwayCommand):
    help = "Suites: import, export, list, show, health, audit, publish, renew, discard."

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
                "audit": audit,
                "renew": renew,
                "discard": discard,
            },
        )

    def run(self, **options: Any) -> Any:
        return getattr(self, f"run_{options['action']}")(options)

    def run_import(self, options: dict[str, Any]) -> dict[str, Any]:
        spec = _changed(formats.read(options["format"], options["path"]), options)
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
        lost = formats.write(options["format"], suites.spec_of(version), options["path"])
        self.say(f"{version} written to {options['path']}")
        for sentence in lost:
            self.say(f"  not expressible: {sentence}")
        return {
            "suite": version.suite.name,
            "version": version.number,
            "n_cases": version.n_cases,
            "not_expressible": list(lost),
        }

    def run_list(self, options: dict[str, Any]) -> list[dict[str, Any]]:
        found = []
        for suite in suites.suites(probes=options["probes"]):
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
        self.say(
            f"{suite.name}: {found.state.value}. {found.reason[:1].upper()}{found.reason[1:]}."
        )
        if not found.classes:
            self.say("No run was measured yet: that happens by itself once one is completed.")
        for one in found.classes:
            self._say_class(one)
        worst = found.classes[0].measured if found.classes else None
        return {
            "suite": suite.name,
            "n_constant": worst.n_constant if worst else 0,
            "n_checkpoints": len(worst.points) if worst else 0,
            **asdict(found),
        }

    def _say_class(self, one: health.ClassHealth) -> None:
        found = one.measured
        self.say(f"  {one.name}, {len(found.points)} checkpoints: {one.state.value}, {one.reason}")
        self.say(f"    best {found.best:.1%} under a ceiling of {found.ceiling:.1%}")
        if found.mde is not None and found.live_share is not None:
            self.say(f"    sees {100 * found.mde:.1f} points; {found.live_share:.0%} of cases live")
        self.say(f"    {found.n_constant} of {found.n_cases} cases are constant")
        if found.forecast:
            until = found.forecast_hi or "no end in sight"
            self.say(f"    forecast {found.forecast} (between {found.forecast_lo} and {until})")
        if found.link:
            offset, error = 100 * found.link["offset"], 100 * found.link["linking_error"]
            older = f"version {found.link['version']}"
            self.say(f"    reads as {older} with {offset:+.1f} points, linking error {error:.1f}")
        for sentence in (*notes_of(found), *(signal.sentence for signal in found.signals)):
            self.say(f"    {sentence}")

    def run_audit(self, options: dict[str, Any]) -> dict[str, Any]:
        version = suites.version_named(options["name"])
        case = version.cases.filter(case_id=options["case"]).first()
        if case is None:
            raise NotFound("no_such_case", f"{version} has no case {options['case']!r}.")
        made = audit_case(
            actor=self.actor(options),
            case=case,
            finding=AuditFinding(options["finding"]),
            reason=options["reason"],
        )
        self.say(f"{options['case']} of {version} is noted as {made.finding}")
        return {"suite": version.suite.name, "case": case.case_id, "finding": made.finding}

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


def _changed(spec: SuiteSpec, options: dict[str, Any]) -> SuiteSpec:
    """The suite with fewer cases or shorter answers, as the options say."""
    for name in ("limit", "max_tokens"):
        if options[name] is not None and options[name] < 1:
            flag = name.replace("_", "-")
            raise InvalidInput(f"bad_{name}", f"--{flag} is {options[name]}: write 1 or more.")
    if options["max_tokens"] is not None:
        spec = replace(spec, request={**spec.request, "max_tokens": options["max_tokens"]})
    return spec if options["limit"] is None else contract.first_cases(spec, options["limit"])
