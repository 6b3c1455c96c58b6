"""The inbox from the command line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError, CommandParser

from alpha import selectors
from alpha.models import Feedback
from alpha.selectors import NOBODY
from alpha.services import feedback, imports, triage
from alpha.services.imports import Preview
from alpha.similarity import propose_groups, suggest_duplicates
from alpha.states import FeedbackState
from infra import people
from infra.cli import EXIT_USAGE, SlipwayCommand, add_actions
from infra.errors import InvalidInput, NotFound
from releases.gates.severity import Severity

_SEVERITIES = [severity.value for severity in Severity]


def listing(parser: CommandParser) -> None:
    """the inbox, newest first"""
    parser.add_argument("--state", choices=[s.value for s in FeedbackState], default="")
    for name in ("partner", "checkpoint", "label", "assignee", "q"):
        parser.add_argument(f"--{name}", default="")
    parser.add_argument("--severity", choices=_SEVERITIES, default="")
    parser.add_argument("--limit", type=int, default=50)


def importing(parser: CommandParser) -> None:
    """show what a mail (.eml) or a text says; --confirm writes it down, once"""
    parser.add_argument("path", help="a file, or - for standard input")
    parser.add_argument("--partner", default="")
    parser.add_argument("--confirm", action="store_true")


def triaging(parser: CommandParser) -> None:
    """assign, grade or label a remark"""
    parser.add_argument("id", type=UUID)
    parser.add_argument("--assignee", default="", help=f"an e-mail address, or {NOBODY}")
    parser.add_argument("--severity", choices=_SEVERITIES)
    parser.add_argument("--label", action="append")


def dismissing(parser: CommandParser) -> None:
    """put a remark aside"""
    parser.add_argument("id", type=UUID)
    parser.add_argument("--reason", required=True)


def duplicating(parser: CommandParser) -> None:
    """say that a remark repeats an earlier one"""
    dismissing(parser)
    parser.add_argument("--of", type=UUID, required=True)


def looking(parser: CommandParser) -> None:
    """earlier remarks that say much the same"""
    parser.add_argument("id", type=UUID)


def grouping(parser: CommandParser) -> None:
    """new remarks as proposed groups"""


class Command(SlipwayCommand):
    help = "Feedback: list, import, triage, dismiss, duplicate, alike, groups."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        actions = {
            "list": listing, "import": importing, "triage": triaging, "dismiss": dismissing,
            "duplicate": duplicating, "alike": looking, "groups": grouping,
        }  # fmt: skip
        add_actions(parser, actions)

    def run(self, **options: Any) -> Any:
        return getattr(self, f"run_{options['action']}")(options)

    def run_list(self, options: dict[str, Any]) -> list[dict[str, Any]]:
        names = ("state", "partner", "checkpoint", "severity", "label", "assignee", "q")
        found = selectors.inbox(**{name: options[name] for name in names})
        rows = [_row(one) for one in found[: max(1, options["limit"])]]
        for row in rows:
            self.say(f"{row['id']} {row['state']:10} {row['partner']}: {row['comment'][:80]}")
        if not rows:
            self.say("No feedback.")
        return rows

    def run_import(self, options: dict[str, Any]) -> dict[str, Any]:
        actor, name = self.actor(options), options["partner"]
        partner = selectors.partner_named(name) if name else None
        preview = imports.preview_import(
            actor=actor, content=_content(options["path"]), partner=partner
        )
        self._show(preview)
        if not options["confirm"]:
            self.say("Nothing was kept. Write it down with --confirm.")
            return {"kept": False, **_told(preview)}
        if preview.partner is None:
            raise InvalidInput("partner_missing", "Whose mail is it? Name it: --partner NAME.")
        row = imports.import_feedback(
            actor=actor,
            partner=preview.partner,
            received=preview.received,
            request_id=preview.received.request_id if preview.is_bound else None,
        )
        self.say(f"Written down as {row.pk}.")
        return {"kept": True, "id": str(row.pk), **_told(preview)}

    def run_triage(self, options: dict[str, Any]) -> dict[str, Any]:
        assignee, severity = options["assignee"], options["severity"]
        row = triage.triage_feedback(
            actor=self.actor(options),
            feedback=_remark(options["id"]),
            assignee=people.person_named(assignee) if assignee not in ("", NOBODY) else None,
            unassign=assignee == NOBODY,
            severity=Severity(severity) if severity else None,
            labels=options["label"],
        )
        self.say(f"{row.pk} is triaged.")
        return _row(row)

    def run_dismiss(self, options: dict[str, Any]) -> dict[str, Any]:
        row = _remark(options["id"])
        feedback.dismiss(actor=self.actor(options), feedback=row, reason=options["reason"])
        self.say(f"{row.pk} is put aside.")
        return _row(row)

    def run_duplicate(self, options: dict[str, Any]) -> dict[str, Any]:
        row, of = _remark(options["id"]), _remark(options["of"])
        feedback.mark_duplicate(
            actor=self.actor(options), feedback=row, of=of, reason=options["reason"]
        )
        self.say(f"{row.pk} repeats {row.duplicate_of_id}.")
        return _row(row)

    def run_alike(self, options: dict[str, Any]) -> list[dict[str, Any]]:
        row = _remark(options["id"])
        found = suggest_duplicates(row.comment, row.pk)
        for one in found:
            self.say(f"{one.score:.2f} {one.feedback.pk} {one.feedback.comment[:80]}")
        if not found:
            self.say("No earlier remark is much alike.")
        return [{"score": one.score, **_row(one.feedback)} for one in found]

    def run_groups(self, options: dict[str, Any]) -> list[dict[str, Any]]:
        groups = propose_groups()
        for group in groups:
            self.say(group.sentence)
        if not groups:
            self.say("No two new remarks seem to be about one thing.")
        return [
            {"sentence": group.sentence, "feedback": [str(row.pk) for row in group.remarks]}
            for group in groups
        ]

    def _show(self, preview: Preview) -> None:
        received = preview.received
        self.say(f"Partner: {preview.partner or 'not known: name it with --partner'}")
        self.say(f"Call:    {received.request_id or 'none named'}")
        self.say(f"Says:    {received.comment}")
        if preview.known is not None:
            self.say(f"It was written down before, as {preview.known.pk}.")


def _content(path: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    except OSError as error:
        message = f"{path} can't be read: {error.strerror}."
        raise CommandError(message, returncode=EXIT_USAGE) from error


def _remark(identifier: UUID) -> Feedback:
    found = Feedback.objects.select_related("partner").filter(pk=identifier).first()
    if found is None:
        raise NotFound("no_such_feedback", f"No feedback {identifier}. `feedback list` shows all.")
    return found


def _told(preview: Preview) -> dict[str, Any]:
    return {
        "partner": preview.partner.name if preview.partner else None,
        "comment": preview.received.comment,
        "request_id": preview.received.request_id,
        "is_bound": preview.is_bound,
    }


def _row(row: Feedback) -> dict[str, Any]:
    return {
        "id": str(row.pk),
        "partner": row.partner.name,
        "state": row.state,
        "severity": row.severity,
        "labels": row.labels,
        "comment": row.comment,
    }
