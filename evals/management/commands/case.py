"""Cases from the command line: a finding's remarks, planned and then made as planned."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import CommandParser

from alpha import selectors as alpha_reads
from alpha.models import Feedback
from evals.selectors import suites
from evals.services import regression
from evals.services.regression import Choice, Plan, Wish
from infra.cli import SlipwayCommand, add_actions
from infra.errors import InvalidInput


def plan(parser: CommandParser) -> None:
    """show what a finding's remarks would become, and what would be taken out"""
    _chosen(parser)


def make(parser: CommandParser) -> None:
    """add the planned cases to the suite's draft, all or none"""
    _chosen(parser)
    parser.add_argument("--digest", required=True, help="the plan's: what was seen is written")
    parser.add_argument("--reason", required=True)


def _chosen(parser: CommandParser) -> None:
    parser.add_argument("finding", type=UUID)
    parser.add_argument("suite")
    parser.add_argument(
        "--remark", type=UUID, action="append", help="one of its remarks; otherwise all new ones"
    )
    parser.add_argument("--messages", type=Path, help="of a single remark: JSON, written anew")
    parser.add_argument("--target", help="of remarks without a correction: text, or JSON")
    parser.add_argument("--component", action="append", default=[])
    parser.add_argument(
        "--keep-personal", action="store_true", help="what looks personal in what I wrote is not"
    )


class Command(SlipwayCommand):
    help = "Cases of a finding: plan, make."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        add_actions(parser, {"plan": plan, "make": make})

    def run(self, **options: Any) -> Any:
        return getattr(self, f"run_{options['action']}")(options)

    def run_plan(self, options: dict[str, Any]) -> dict[str, Any]:
        found = regression.plan(actor=self.actor(options), wish=_wish(options))
        for note in found.notes:
            self.say(note)
        for one in found.cases:
            self.say(f"{one.feedback.partner}, remark {one.feedback.pk}")
            if one.spec:
                self.say(f"  asks {json.dumps(one.spec.input, ensure_ascii=False)}")
                self.say(f"  wants {json.dumps(one.spec.target, ensure_ascii=False)}")
            for taken in one.replaced:
                self.say(f"  takes out {taken.text!r}, puts {taken.put} in {taken.where}")
            for reason in one.refusals:
                self.say(f"  refused: {reason.sentence}")
        self.say(f"Nothing was written. Make it with --digest {found.digest}")
        return _told(found)

    def run_make(self, options: dict[str, Any]) -> list[dict[str, Any]]:
        rows = regression.make(
            actor=self.actor(options),
            wish=_wish(options),
            digest=options["digest"],
            reason=options["reason"],
        )
        for row in rows:
            self.say(f"{row.case_id} is in the draft of {row.version.suite.name}  {row.pk}")
        return [{"id": row.pk, "case_id": row.case_id, "digest": row.digest} for row in rows]


def _wish(options: dict[str, Any]) -> Wish:
    finding = alpha_reads.finding_of(options["finding"])
    new = Feedback.objects.filter(reports__finding=finding, state__in=regression.OPEN_REMARKS)
    chosen = options["remark"] or list(new.order_by("pk").values_list("pk", flat=True))
    messages = _messages(options["messages"])
    if messages is not None and len(chosen) != 1:
        message = "--messages is what one remark asks: name that one by --remark."
        raise InvalidInput("one_remark", message)
    return Wish(
        finding=finding,
        suite=suites.suite_named(options["suite"]),
        choices=[Choice(feedback_id=one, messages=messages) for one in chosen],
        target=_target(options["target"]),
        components=options["component"],
        keep_personal=options["keep_personal"],
    )


def _messages(path: Path | None) -> list[dict[str, Any]] | None:
    if path is None:
        return None
    try:
        found = json.loads(path.read_bytes())
    except OSError as error:
        raise InvalidInput("file_unreadable", f"{path} can't be read: {error.strerror}.") from error
    except ValueError as error:
        raise InvalidInput("messages_json", f"{path} is no JSON: {error}.") from error
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise InvalidInput("messages_json", f"{path} is no list of messages.")
    return found


def _target(text: str | None) -> Any:
    """JSON where it is an object or a list, else the text itself."""
    if text is None or text.strip()[:1] not in ("[", "{"):
        return text
    try:
        return json.loads(text)
    except ValueError as error:
        raise InvalidInput("target_json", f"--target is no JSON: {error}.") from error


def _told(found: Plan) -> dict[str, Any]:
    cases = [
        {
            "feedback": one.feedback.pk,
            "case": one.spec.as_json() if one.spec else None,
            "replaced": [{"text": r.text, "put": r.put, "where": r.where} for r in one.replaced],
            "refusals": [reason.as_dict() for reason in one.refusals],
        }
        for one in found.cases
    ]
    return {"digest": found.digest, "notes": list(found.notes), "cases": cases}
