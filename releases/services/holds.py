"""Holds: what stops forward moves until everybody who placed one has lifted it."""

from __future__ import annotations

from django.db import transaction

from infra import audit, clock
from infra.actors import Actor
from infra.errors import InvalidInput, InvalidMove, NotPermitted, Reason
from infra.roles import Role
from releases.models import Checkpoint, Hold, Stage

HOLDERS = (
    Role.RELEASE_MANAGER,
    Role.BEHAVIOUR_REVIEWER,
    Role.EVAL_OWNER,
    Role.PARTNER_MANAGER,
    Role.ENGINEER,
)


def place_hold(
    *,
    actor: Actor,
    reason: str,
    checkpoint: Checkpoint | None = None,
    stage: Stage | None = None,
) -> Hold:
    """Stop forward moves of a checkpoint, or into a stage; serving goes on as it is."""
    actor.must("place holds", *HOLDERS)
    if (checkpoint is None) == (stage is None):
        raise InvalidInput("bad_hold", "A hold is on a checkpoint or on a stage: name one of them.")
    _need(reason)
    with transaction.atomic():
        hold = Hold.objects.create(
            checkpoint=checkpoint,
            stage=stage,
            owner_id=actor.person_id,
            reason=reason.strip(),
            placed_at=clock.now(),
        )
        subject = checkpoint or stage
        audit.record(
            actor=actor,
            action="hold.placed",
            subject=hold,
            reason=hold.reason,
            after={"checkpoint" if checkpoint else "stage": str(subject)},
        )
    return hold


def lift_hold(*, actor: Actor, hold: Hold, reason: str) -> Hold:
    """Lifted by its owner; a hold of Slipway's own by a release manager."""
    person_id = actor.must_be_person("lift a hold")
    _need(reason)
    with transaction.atomic():
        row = Hold.objects.select_for_update(of=("self",), no_key=True).get(pk=hold.pk)
        _must_lift(actor, row)
        row.lifted_at, row.lifted_by_id = clock.now(), person_id
        row.lift_reason = reason.strip()
        row.save(update_fields=["lifted_at", "lifted_by", "lift_reason"])
        audit.record(actor=actor, action="hold.lifted", subject=row, reason=row.lift_reason)
    return row


def _must_lift(actor: Actor, hold: Hold) -> None:
    if hold.lifted_at is not None:
        raise InvalidMove("hold_lifted", f"This hold was lifted on {hold.lifted_at:%Y-%m-%d}.")
    if hold.owner_id is None:
        actor.must("lift a hold that Slipway placed", Role.RELEASE_MANAGER)
    elif hold.owner_id != actor.person_id:
        sentence = f"{hold.owner} placed this hold and lifts it; {actor.name} can't."
        reason = Reason(code="not_your_hold", sentence=sentence, owner=str(hold.owner))
        raise NotPermitted("not_your_hold", sentence, [reason])


def _need(reason: str) -> None:
    if not reason.strip():
        raise InvalidInput("reason_missing", "Say why: `reason` is what the audit will show.")
