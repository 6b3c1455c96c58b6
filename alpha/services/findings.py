"""Findings: opened from what partners say, confirmed, closed, and confirmed to be gone.

Whoever owns the checkpoint may open a finding; that it is one, that it is gone, and how bad it is
are for others to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction

from alpha.models import Feedback, Finding, FindingReport, Partner
from alpha.states import FINDING_TRANSITIONS, FindingState
from infra import audit, clock
from infra.actors import Actor
from infra.errors import InvalidInput, NotPermitted, Reason
from infra.lifecycles import check_move
from infra.models import Person
from infra.roles import Role
from releases.gates.severity import Severity
from releases.models import Checkpoint

TITLE_LENGTH = 200
JUDGES = (
    Role.PARTNER_MANAGER,
    Role.BEHAVIOUR_REVIEWER,
    Role.EVAL_OWNER,
    Role.RELEASE_MANAGER,
)


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

    Of a closed finding: it is not gone.
    """
    now = clock.now()
    fields: dict[str, Any] = {
        "confirmed_by_id": actor.person_id,
        "confirmed_at": now,
        "closed_by_id": None,
        "closed_at": None,
        "close_reason": "",
        "reconfirmed_by_id": None,
        "reconfirmed_at": None,
    }
    if severity is not None:
        fields["severity"] = severity.value
    return _move(actor, finding, FindingState.CONFIRMED, reason, fields)


def close_finding(*, actor: Actor, finding: Finding, reason: str) -> Finding:
    """Somebody other than the checkpoint's owner says that it is gone, or never was one."""
    fields = {
        "closed_by_id": actor.person_id,
        "closed_at": clock.now(),
        "close_reason": reason.strip(),
    }
    return _move(actor, finding, FindingState.CLOSED, reason, fields)


def reconfirm_finding(*, actor: Actor, finding: Finding, reason: str) -> Finding:
    """Write down that its reporter confirmed it is gone; `reason` says how that was learnt."""
    fields = {"reconfirmed_by_id": actor.person_id, "reconfirmed_at": clock.now()}
    return _move(actor, finding, FindingState.RECONFIRMED, reason, fields)


def _link(actor: Actor, finding: Finding, feedback: Feedback, person_id: UUID) -> None:
    FindingReport.objects.create(
        finding=finding, feedback=feedback, linked_by_id=person_id, linked_at=clock.now()
    )
    after = {"feedback": str(feedback.pk), "partner": feedback.partner.name}
    audit.record(actor=actor, action="finding.linked", subject=finding, after=after)


def _move(
    actor: Actor, finding: Finding, to: FindingState, reason: str, fields: dict[str, Any]
) -> Finding:
    what = f"say of a finding that it is {to.value}"
    actor.must(what, *JUDGES)
    actor.must_be_person(what)
    if not reason.strip():
        raise InvalidInput("reason_missing", "Say why: the reporter and the auditor will ask.")
    with transaction.atomic():
        rows = Finding.objects.select_for_update(of=("self",)).select_related("checkpoint")
        row = rows.get(pk=finding.pk)
        _must_not_own(actor, row)
        before = FindingState(row.state)
        check_move(FINDING_TRANSITIONS, before, to, "This finding")
        graded = row.severity
        for name, value in {**fields, "state": to.value}.items():
            setattr(row, name, value)
        row.save(update_fields=[name.removesuffix("_id") for name in fields] + ["state"])
        audit.record(
            actor=actor,
            action=f"finding.{to.value}",
            subject=row,
            reason=reason,
            before={"state": before.value, "severity": graded},
            after={"state": to.value, "severity": row.severity},
        )
    return row


def _must_not_own(actor: Actor, finding: Finding) -> None:
    if finding.checkpoint.owner_id != actor.person_id:
        return
    sentence = (
        f"{actor.name} owns {finding.checkpoint.name}: somebody else says what becomes of its "
        "findings."
    )
    raise NotPermitted(
        "owns_checkpoint", sentence, [Reason(code="owns_checkpoint", sentence=sentence)]
    )
