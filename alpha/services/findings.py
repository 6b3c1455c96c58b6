"""Findings: opened from what partners say, triaged, confirmed.

Whoever owns the checkpoint may open a finding; that it is one, that it is gone, and how bad it is
are for others to say. `investigations` has what follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction

from alpha.models import Feedback, Finding, FindingReport, Partner
from alpha.services.finding_moves import (
    JUDGES,
    locked,
    move,
    must_give_reason,
    must_not_own,
)
from alpha.states import FeedbackState, FindingState
from infra import audit, clock
from infra.actors import Actor
from infra.errors import InvalidInput
from infra.models import Person
from infra.roles import Role
from releases.gates.severity import Severity
from releases.models import Checkpoint

TITLE_LENGTH = 200
MAX_LABELS, LABEL_LENGTH = 20, 100
_UNLINKED = (FeedbackState.NEW.value, FeedbackState.DUPLICATE.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Weakness:
    """What is wrong, how bad it is, who sees to it, and whose word it is that it is gone."""

    title: str
    severity: Severity
    text: str = ""
    owner: Person | None = None
    reporter: Partner | None = None


def open_finding(
    *,
    actor: Actor,
    checkpoint: Checkpoint | None = None,
    weakness: Weakness,
    feedback: Sequence[Feedback] = (),
) -> Finding:
    """Open a finding; of the first remark's checkpoint and reporter where none are given."""
    actor.must("open findings", *JUDGES, Role.ENGINEER)
    person_id = actor.must_be_person("open a finding")
    title = weakness.title.strip()
    if not title or len(title) > TITLE_LENGTH:
        raise InvalidInput("title_missing", f"Give it a title of at most {TITLE_LENGTH} letters.")
    of = checkpoint or next((f.checkpoint for f in feedback if f.checkpoint), None)
    if of is None:
        raise InvalidInput("checkpoint_missing", "Name the checkpoint that has this weakness.")
    reporter = weakness.reporter or next((f.partner for f in feedback), None)
    with transaction.atomic():
        finding = Finding.objects.create(
            title=title,
            text=weakness.text,
            severity=weakness.severity.value,
            checkpoint=of,
            owner=weakness.owner,
            reporter=reporter,
            opened_by_id=person_id,
            opened_at=clock.now(),
        )
        after = {"severity": finding.severity, "checkpoint": of.name}
        audit.record(actor=actor, action="finding.opened", subject=finding, after=after)
        for remark in feedback:
            _link(actor, finding, remark, person_id)
    return finding


def link_feedback(*, actor: Actor, finding: Finding, feedback: Feedback) -> Finding:
    """Record that a remark speaks of this finding; linking twice is linking once."""
    actor.must("link feedback to findings", *JUDGES, Role.ENGINEER)
    person_id = actor.must_be_person("link feedback to a finding")
    with transaction.atomic():
        row = Finding.objects.select_for_update().get(pk=finding.pk)
        if not row.reports.filter(feedback=feedback).exists():
            _link(actor, row, feedback, person_id)
    return row


def confirm_finding(
    *, actor: Actor, finding: Finding, reason: str, severity: Severity | None = None
) -> Finding:
    """A person has looked: it is a weakness, of that severity where one is given.

    Its cause is investigated from now on. Of a closed finding: it is not gone.
    """
    actor.must("confirm findings", *JUDGES)
    person_id = actor.must_be_person("confirm a finding")
    fields: dict[str, Any] = {"confirmed_by_id": person_id, "confirmed_at": clock.now()}
    if severity is not None:
        fields["severity"] = severity.value
    return move(
        actor=actor,
        finding=finding,
        to=FindingState.INVESTIGATING,
        reason=must_give_reason(reason),
        fields=fields,
    )


def triage_finding(
    *,
    actor: Actor,
    finding: Finding,
    owner: Person | None = None,
    unassign: bool = False,
    severity: Severity | None = None,
    labels: Sequence[str] | None = None,
) -> Finding:
    """Say who sees to it, how bad it is, which components it concerns; None leaves as it was.

    `unassign`: nobody sees to it any more. InvalidInput beside an owner, and for no change.
    """
    actor.must("triage findings", *JUDGES)
    actor.must_be_person("triage a finding")
    given: dict[str, Any] = {
        "owner": owner,
        "severity": severity.value if severity else None,
        "labels": None if labels is None else clean_labels(labels),
    }
    wanted = wanted_of(given, "owner", unassign)
    if not wanted:
        raise InvalidInput("nothing_to_change", "Name an owner, a severity or labels.")
    with transaction.atomic():
        row = locked(finding)
        if severity is not None:
            must_not_own(actor, row.checkpoint)
        before = {name: getattr(row, name) for name in wanted}
        for name, value in wanted.items():
            setattr(row, name, value)
        row.save(update_fields=list(wanted))
        audit.record(
            actor=actor,
            action="finding.triaged",
            subject=row,
            before=_plain(before),
            after=_plain(wanted),
        )
    return row


def clean_labels(labels: Sequence[str]) -> list[str]:
    """Each once, in order, without blanks; InvalidInput for too many or too long ones."""
    found = list(dict.fromkeys(label.strip() for label in labels if label.strip()))
    if len(found) > MAX_LABELS or any(len(label) > LABEL_LENGTH for label in found):
        limit = f"At most {MAX_LABELS} labels of at most {LABEL_LENGTH} letters."
        raise InvalidInput("too_many_labels", limit)
    return found


def wanted_of(given: dict[str, Any], who: str, unassign: bool) -> dict[str, Any]:
    """What is to change: the given values that are not None, and nobody where that is meant."""
    if unassign and given[who] is not None:
        message = f"Either {given[who]} or nobody sees to it: leave one of the two out."
        raise InvalidInput("somebody_and_nobody", message)
    wanted = {name: value for name, value in given.items() if value is not None}
    return {**wanted, who: None} if unassign else wanted


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {name: str(v) if isinstance(v, Person) else v for name, v in values.items()}


def _link(actor: Actor, finding: Finding, feedback: Feedback, person_id: UUID) -> None:
    FindingReport.objects.create(
        finding=finding, feedback=feedback, linked_by_id=person_id, linked_at=clock.now()
    )
    Feedback.objects.filter(pk=feedback.pk, state__in=_UNLINKED).update(
        state=FeedbackState.LINKED.value, duplicate_of=None
    )
    after = {"feedback": str(feedback.pk), "partner": feedback.partner.name}
    audit.record(actor=actor, action="finding.linked", subject=finding, after=after)
