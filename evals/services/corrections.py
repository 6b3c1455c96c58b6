"""Partners' corrections with the calls that they correct, read in bulk and in one fixed order."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, QuerySet

from alpha.models import Feedback
from alpha.services.transcripts import texts_of
from alpha.states import FeedbackState
from evals.asked import messages_of
from evals.models import Case
from evals.training.corrections import Correction, Lack, LeftOut
from infra.actors import Actor

AT_ONCE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which corrections are wanted; an empty field narrows nothing."""

    partner: str = ""
    checkpoint: str = ""
    finding: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    """Received before it."""
    with_cases: bool = False
    """Those that an eval suite holds as cases too."""
    with_votes: bool = False
    """Blind side by sides that somebody decided too; of preference rows alone."""

    def as_json(self) -> dict[str, Any]:
        """The filter as an export keeps it."""
        kept = {name: value for name, value in asdict(self).items() if value}
        return {
            name: value if isinstance(value, str | bool) else _text(value)
            for name, value in kept.items()
        }


def _text(value: UUID | datetime) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def matching(asked: Asked) -> QuerySet[Feedback]:
    """Remarks with a correction that nobody put aside; oldest first, which never changes."""
    found = Feedback.objects.exclude(correction="").exclude(state=FeedbackState.DISMISSED.value)
    if asked.partner:
        found = found.filter(partner__name=asked.partner)
    if asked.checkpoint:
        found = found.filter(checkpoint__name=asked.checkpoint)
    if asked.finding:
        found = found.filter(reports__finding=asked.finding)
    if asked.since:
        found = found.filter(received_at__gte=asked.since)
    if asked.until:
        found = found.filter(received_at__lt=asked.until)
    return found.order_by("pk")


def corrections(*, actor: Actor, asked: Asked) -> Iterator[Correction | LeftOut]:
    """Each matching correction, or why it is of no use; a thousand are held at once."""
    rows = matching(asked).annotate(is_case=Exists(Case.objects.filter(feedback=OuterRef("pk"))))
    last: UUID | None = None
    while True:
        later = rows.filter(pk__gt=last) if last else rows
        chunk = list(later.values(*_FIELDS, "is_case")[:AT_ONCE])
        if not chunk:
            return
        last = chunk[-1]["id"]
        yield from _read(actor, chunk, with_cases=asked.with_cases)


def corrections_of(
    *, actor: Actor, feedback_ids: Collection[UUID]
) -> dict[UUID, Correction | LeftOut]:
    """Those remarks' corrections as they are now, cases or not."""
    chunk = list(Feedback.objects.filter(pk__in=feedback_ids).values(*_FIELDS))
    found = _read(actor, chunk, with_cases=True)
    return {one.feedback_id: one for one in found if one.feedback_id}


_FIELDS = ("id", "partner_id", "request_id", "correction")


def _read(
    actor: Actor, chunk: Sequence[Mapping[str, Any]], *, with_cases: bool
) -> Iterator[Correction | LeftOut]:
    wanted = [row for row in chunk if with_cases or not row["is_case"]]
    kept = texts_of(actor=actor, request_ids={r["request_id"] for r in wanted if r["request_id"]})
    for row in chunk:
        if not with_cases and row["is_case"]:
            yield LeftOut(feedback_id=row["id"], why=Lack.IS_CASE)
        elif row["request_id"] is None:
            yield LeftOut(feedback_id=row["id"], why=Lack.NO_CALL)
        elif row["request_id"] in kept.damaged:
            yield LeftOut(feedback_id=row["id"], why=Lack.DAMAGED)
        elif row["request_id"] not in kept.texts:
            yield LeftOut(feedback_id=row["id"], why=Lack.NO_TEXT)
        else:
            yield _correction(row, kept.texts[row["request_id"]])


def _correction(row: Mapping[str, Any], said: Mapping[str, Any]) -> Correction | LeftOut:
    asked = messages_of(said["request"])
    if not asked or not all(isinstance(message, Mapping) for message in asked):
        return LeftOut(feedback_id=row["id"], why=Lack.NO_MESSAGES)
    tools = said["request"].get("tools")
    return Correction(
        feedback_id=row["id"],
        partner_id=row["partner_id"],
        asked=asked,
        tools=tools if isinstance(tools, list) else (),
        reply=_reply(said.get("reply")),
        wanted=row["correction"],
    )


def _reply(choices: Any) -> str | None:
    """The first choice's text; None where it called tools or said nothing."""
    first = choices[0] if isinstance(choices, list) and choices else {}
    if not isinstance(first, Mapping) or first.get("tool_calls"):
        return None
    text = first.get("content")
    return text if isinstance(text, str) and text else None
