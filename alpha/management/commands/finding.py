"""Findings from the command line."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.management.base import CommandParser

from alpha import selectors
from alpha.finding_rates import affected_checkpoints, finding_rates
from alpha.models import Finding
from alpha.selectors import NOBODY
from alpha.services import findings, investigations, reconfirmations
from alpha.services.findings import Weakness
from alpha.states import FindingState
from infra import people
from infra.cli import SlipwayCommand, add_actions
from releases.gates.severity import Severity
from releases.selectors.checkpoints import checkpoint_named

_SEVERITIES = [severity.value for severity in Severity]


def opening(parser: CommandParser) -> None:
    """open a finding of a checkpoint"""
    parser.add_argument("checkpoint")
    parser.add_argument("title")
    parser.add_argument("--severity", choices=_SEVERITIES, required=True)
    parser.add_argument("--text", default="", help="what is wrong, in more words")
    parser.add_argument("--reporter", default="", help="the partner who met it")
    parser.add_argument("--owner", default="", help="who sees to it")


def confirm(parser: CommandParser) -> None:
    """say that it is a weakness, or is not gone"""
    _decides(parser)
    parser.add_argument("--severity", choices=_SEVERITIES, help="where it was graded wrongly")


def triage(parser: CommandParser) -> None:
    """say who sees to it, how bad it is, which components it concerns"""
    parser.add_argument("id", type=UUID)
    parser.add_argument("--owner", default="", help=f"who sees to it: an address, or {NOBODY}")
    parser.add_argument("--severity", choices=_SEVERITIES)
    parser.add_argument("--label", action="append", help="a component; may be given several times")


def isolate(parser: CommandParser) -> None:
    """say what a probe isolated"""
    _decides(parser)
    parser.add_argument("--component", required=True)
    parser.add_argument("--probe", type=UUID, required=True)


def fix(parser: CommandParser) -> None:
    """say that somebody is at work on it"""
    _decides(parser)


def fixed(parser: CommandParser) -> None:
    """say which checkpoint no longer has it"""
    _decides(parser)
    parser.add_argument("--in", dest="checkpoint", metavar="CHECKPOINT", required=True)


def not_reproduced(parser: CommandParser) -> None:
    """say what was tried in vain, and which rate would have been seen"""
    _decides(parser)
    parser.add_argument("--tried", required=True)
    parser.add_argument("--detectable-rate", type=float, required=True, metavar="0..1")


def by_design(parser: CommandParser) -> None:
    """say that it is meant to be so"""
    _decides(parser)


def show(parser: CommandParser) -> None:
    """one finding, with how often each release is reported to have it"""
    parser.add_argument("id", type=UUID)


def reconfirm(parser: CommandParser) -> None:
    """write down that its reporter confirmed it is gone"""
    _decides(parser)


def listing(parser: CommandParser) -> None:
    """findings, newest first"""
    parser.add_argument("--state", choices=[s.value for s in FindingState], default="")
    parser.add_argument("--checkpoint", default="")


def _decides(parser: CommandParser) -> None:
    parser.add_argument("id", type=UUID)
    parser.add_argument("--reason", required=True)


class Command(SlipwayCommand):
    help = "Findings: open, triage, confirm, isolate, close, reconfirm, show, list."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        actions = {
            "open": opening, "triage": triage, "confirm": confirm, "isolate": isolate, "fix": fix,
            "fixed": fixed, "not-reproduced": not_reproduced, "by-design": by_design,
            "reconfirm": reconfirm, "show": show, "list": listing,
        }  # fmt: skip
        add_actions(parser, actions)

    def run(self, **options: Any) -> Any:
        return getattr(self, f"run_{options['action'].replace('-', '_')}")(options)

    def run_open(self, options: dict[str, Any]) -> dict[str, Any]:
        reporter, owner = options["reporter"], options["owner"]
        weakness = Weakness(
            title=options["title"],
            severity=Severity(options["severity"]),
            text=options["text"],
            reporter=selectors.partner_named(reporter) if reporter else None,
            owner=people.person_named(owner) if owner else None,
        )
        finding = findings.open_finding(
            actor=self.actor(options),
            checkpoint=checkpoint_named(options["checkpoint"]),
            weakness=weakness,
        )
        return self._told(finding, "is open")

    def run_confirm(self, options: dict[str, Any]) -> dict[str, Any]:
        severity = options["severity"]
        finding = findings.confirm_finding(
            actor=self.actor(options),
            finding=selectors.finding_of(options["id"]),
            reason=options["reason"],
            severity=Severity(severity) if severity else None,
        )
        return self._told(finding, "is confirmed")

    def run_triage(self, options: dict[str, Any]) -> dict[str, Any]:
        owner, severity = options["owner"], options["severity"]
        finding = findings.triage_finding(
            actor=self.actor(options),
            finding=selectors.finding_of(options["id"]),
            owner=people.person_named(owner) if owner not in ("", NOBODY) else None,
            unassign=owner == NOBODY,
            severity=Severity(severity) if severity else None,
            labels=options["label"],
        )
        return self._told(finding, "is triaged")

    def run_isolate(self, options: dict[str, Any]) -> dict[str, Any]:
        finding = investigations.isolate_finding(
            **self._asked(options), component=options["component"], probe_id=options["probe"]
        )
        return self._told(finding, f"is isolated to {finding.component}")

    def run_fix(self, options: dict[str, Any]) -> dict[str, Any]:
        return self._told(investigations.start_fix(**self._asked(options)), "is being fixed")

    def run_fixed(self, options: dict[str, Any]) -> dict[str, Any]:
        checkpoint = checkpoint_named(options["checkpoint"])
        finding = investigations.close_as_fixed(**self._asked(options), checkpoint=checkpoint)
        return self._told(finding, f"is fixed in {checkpoint.name}")

    def run_not_reproduced(self, options: dict[str, Any]) -> dict[str, Any]:
        finding = investigations.close_as_not_reproduced(
            **self._asked(options),
            tried=options["tried"],
            detectable_rate=options["detectable_rate"],
        )
        return self._told(finding, "was not reproduced")

    def run_by_design(self, options: dict[str, Any]) -> dict[str, Any]:
        return self._told(investigations.close_by_design(**self._asked(options)), "is by design")

    def run_reconfirm(self, options: dict[str, Any]) -> dict[str, Any]:
        finding = reconfirmations.reconfirm_finding(**self._asked(options))
        return self._told(finding, "is gone, its reporter says")

    def run_show(self, options: dict[str, Any]) -> dict[str, Any]:
        finding = selectors.finding_of(options["id"])
        rates = finding_rates(finding)
        told = self._told(finding, f"is {finding.state.replace('_', ' ')}")
        for rate in rates:
            self.say(f"  {rate.sentence}")
        affected = [checkpoint.name for checkpoint in affected_checkpoints(finding)]
        return {**told, "affected": affected, "rates": [rate.sentence for rate in rates]}

    def _asked(self, options: dict[str, Any]) -> dict[str, Any]:
        """What every step of an investigation is told."""
        finding = selectors.finding_of(options["id"])
        return {"actor": self.actor(options), "finding": finding, "reason": options["reason"]}

    def run_list(self, options: dict[str, Any]) -> list[dict[str, Any]]:
        found = selectors.findings(state=options["state"], checkpoint=options["checkpoint"])
        rows = [{**_row(finding), "n_reports": finding.n_reports} for finding in found]
        for row in rows:
            self.say(
                f"{row['id']} {row['severity']:8} {row['state']:14} {row['checkpoint']}: "
                f"{row['title']} ({row['n_reports']} remarks)"
            )
        if not rows:
            self.say("No findings. Open one: manage.py finding open CHECKPOINT TITLE --severity S")
        return rows

    def _told(self, finding: Finding, what: str) -> dict[str, Any]:
        self.say(f"{finding.title!r} {what} ({finding.severity}, {finding.pk}).")
        return _row(finding)


def _row(finding: Finding) -> dict[str, Any]:
    return {
        "id": str(finding.pk),
        "title": finding.title,
        "severity": finding.severity,
        "state": finding.state,
        "checkpoint": finding.checkpoint.name,
    }
