"""How a finding moves: one transaction, the lifecycle's table, and whose word counts."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from alpha.models import Finding
from alpha.states import FINDING_TRANSITIONS, FindingState
from infra import audit
from infra.actors import Actor
from infra.errors import InvalidInput, NotPermitted, Reason
from infra.lifecycles import check_move
from infra.roles import Role
from releases.models import Checkpoint

JUDGES = (
    Role.PARTNER_MANAGER,
    Role.BEHAVIOUR_REVIEWER,
    Role.EVAL_OWNER,
    Role.RELEASE_MANAGER,
)
_REOPENED: dict[str, Any] = {
    "component": "",
    "probe_id": None,
    "tried": "",
    "detectable_rate": None,
    "fixed_in_id": None,
    "closed_by_id": None,
    "closed_at": None,
    "close_reason": "",
    "reconfirmed_by_id": None,
    "reconfirmed_with_id": None,
    "reconfirmed_at": None,
}
"""What an investigation that begins again no longer knows; the audit log does."""


def must_give_reason(reason: str) -> str:
    """The reason without the blanks around it; InvalidInput without one."""
    if not reason.strip():
        raise InvalidInput("reason_missing", "Say why: the reporter and the auditor will ask.")
    return reason.strip()


def locked(finding: Finding) -> Finding:
    """The finding with its checkpoint, held until the transaction ends."""
    rows = Finding.objects.select_for_update(of=("self",)).select_related("checkpoint")
    return rows.get(pk=finding.pk)


def move(
    *,
    actor: Actor,
    finding: Finding,
    to: FindingState,
    reason: str,
    fields: dict[str, Any],
    owner_may: bool = False,
) -> Finding:
    """Move it and set `fields`; InvalidMove, NotPermitted where the checkpoint's owner may not.

    Investigating anew forgets the cause, the closing and what its reporter said of that.
    """
    with transaction.atomic():
        row = locked(finding)
        if not owner_may:
            must_not_own(actor, row.checkpoint)
        before = FindingState(row.state)
        check_move(FINDING_TRANSITIONS, before, to, "This finding")
        old = _told(row)
        forgotten = _REOPENED if to is FindingState.INVESTIGATING else {}
        changed = {**forgotten, **fields, "state": to.value}
        for name, value in changed.items():
            setattr(row, name, value)
        row.save(update_fields=[_field(name) for name in changed])
        audit.record(
            actor=actor,
            action=f"finding.{to.value}",
            subject=row,
            reason=reason,
            before=old,
            after=_told(row),
        )
    return row


def must_not_own(actor: Actor, checkpoint: Checkpoint) -> None:
    """NotPermitted for who owns the checkpoint, by whatever login."""
    if actor.person_id is None or checkpoint.owner_id != actor.person_id:
        return
    sentence = (
        f"{actor.name} owns {checkpoint.name}: somebody else says what becomes of its findings."
    )
    raise NotPermitted(
        "owns_checkpoint", sentence, [Reason(code="owns_checkpoint", sentence=sentence)]
    )


def _told(row: Finding) -> dict[str, Any]:
    """What the audit log keeps of a move."""
    facts = {
        "component": row.component,
        "probe": row.probe_id,
        "detectable_rate": row.detectable_rate,
        "fixed_in": row.fixed_in.name if row.fixed_in else None,
    }
    known = {name: value for name, value in facts.items() if value not in (None, "")}
    return {"state": row.state, "severity": row.severity, **known}


def _field(name: str) -> str:
    return name if name == "probe_id" else name.removesuffix("_id")
