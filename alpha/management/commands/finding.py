"""Findings from the command line."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.management.base import CommandParser

from alpha import selectors
from alpha.models import Finding
from alpha.services import findings
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


def close(parser: CommandParser) -> None:
    """say that it is gone, or never was a weakness"""
    _decides(parser)


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
    help = "Findings: open, confirm, close, reconfirm, list."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        actions = {"open": opening, "confirm": confirm, "close": close, "reconfirm": reconfirm}
        add_actions(parser, {**actions, "list": listing})

    def run(self, **options: Any) -> Any:
        return getattr(self, f"run_{options['action']}")(options)

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

    def run_close(self, options: dict[str, Any]) -> dict[str, Any]:
        finding = findings.close_finding(
            actor=self.actor(options),
            finding=selectors.finding_of(options["id"]),
            reason=options["reason"],
        )
        return self._told(finding, "is closed")

    def run_reconfirm(self, options: dict[str, Any]) -> dict[str, Any]:
        finding = findings.reconfirm_finding(
            actor=self.actor(options),
            finding=selectors.finding_of(options["id"]),
            reason=options["reason"],
        )
        return self._told(finding, "is gone, its reporter says")

    def run_list(self, options: dict[str, Any]) -> list[dict[str, Any]]:
        found = selectors.findings(state=options["state"], checkpoint=options["checkpoint"])
        rows = [{**_row(finding), "n_reports": finding.n_reports} for finding in found]
        for row in rows:
            self.say(
                f"{row['id']} {row['severity']:8} {row['state']:11} {row['checkpoint']}: "
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
