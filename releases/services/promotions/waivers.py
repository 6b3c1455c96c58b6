"""Recorded bypasses of one named gate, by two persons, for one checkpoint and stage."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction

from infra import audit, clock
from infra.actors import Actor, system
from infra.errors import InvalidInput, InvalidMove, NotFound, NotPermitted, Reason
from infra.roles import Role
from releases.gates.terms import gates_of
from releases.models import Checkpoint, Promotion, Waiver
from releases.promotions import NEVER_WAIVED, UNGATED
from releases.selectors.blocks import rejections_in_force
from releases.selectors.facts import groups_of_persons
from releases.selectors.promotions import open_promotions
from releases.services.promotions.evaluate import evaluate_promotion
from releases.services.promotions.execute import execute_when_approved
from releases.services.promotions.moves import locked, must_be_open, must_have_text

MIN_REASON = 20
DEFAULT_SPAN = timedelta(days=7)
LONGEST_SPAN = timedelta(days=90)


def waive_gate(
    *,
    actor: Actor,
    promotion: Promotion,
    gate_id: str,
    reason: str,
    lasts: timedelta = DEFAULT_SPAN,
) -> Waiver:
    """Ask for a bypass; nothing changes until a second release manager confirms it.

    InvalidInput for an artifact gate, which is never waived; InvalidMove for a rejected checkpoint.
    """
    person_id = actor.must_be_person("waive a gate")
    actor.must("waive a gate", Role.RELEASE_MANAGER)
    reason = must_have_text(reason, "The reason of a waiver", at_least=MIN_REASON)
    if not timedelta(0) < lasts <= LONGEST_SPAN:
        raise InvalidInput("bad_span", f"A waiver lasts up to {LONGEST_SPAN.days} days.")
    with transaction.atomic():
        row = locked(promotion.pk)
        must_be_open(row)
        _must_not_be_rejected(row.checkpoint)
        _must_be_waivable(row, gate_id)
        now = clock.now()
        waiver = Waiver.objects.create(
            checkpoint=row.checkpoint,
            stage=row.stage,
            gate_id=gate_id,
            reason=reason,
            asked_by_id=person_id,
            asked_at=now,
            expires_at=now + lasts,
        )
        after = {"gate_id": gate_id, "waiver": str(waiver.pk), "expires_at": waiver.expires_at}
        audit.record(
            actor=actor, action="promotion.waiver_asked", subject=row, reason=reason, after=after
        )
    return waiver


def _must_be_waivable(promotion: Promotion, gate_id: str) -> None:
    gates = {gate.id: gate.kind for gate in gates_of(promotion.policy)} or {UNGATED: UNGATED}
    if gate_id not in gates:
        known = ", ".join(gates)
        raise NotFound("no_such_gate", f"{promotion} has no gate {gate_id!r}; its gates: {known}.")
    if gates[gate_id] in NEVER_WAIVED:
        sentence = f"{gate_id} is never waived: a changed artifact is another checkpoint."
        raise InvalidInput(
            "never_waived", sentence, [Reason(code="never_waived", sentence=sentence)]
        )


def _must_not_be_rejected(checkpoint: Checkpoint) -> None:
    rejection = rejections_in_force().filter(checkpoint=checkpoint).first()
    if rejection is not None:
        sentence = f"{rejection.rejected_by} rejected {checkpoint}: no gate of it can be waived."
        raise _refused("rejected_checkpoint", sentence)


def confirm_waiver(*, actor: Actor, waiver: Waiver) -> Waiver:
    """The second person's signature; what it clears is judged again at once."""
    person_id = actor.must_be_person("confirm a waiver")
    actor.must("confirm a waiver", Role.RELEASE_MANAGER)
    with transaction.atomic():
        row = (
            Waiver.objects.select_for_update(of=("self",), no_key=True)
            .select_related("checkpoint", "stage__pipeline", "asked_by")
            .get(pk=waiver.pk)
        )
        _must_confirm(actor, row)
        row.confirmed_by_id, row.confirmed_at = person_id, clock.now()
        row.save(update_fields=["confirmed_by", "confirmed_at"])
        audit.record(
            actor=actor,
            action="waiver.confirmed",
            subject=row,
            reason=row.reason,
            after={"gate_id": row.gate_id, "asked_by": row.asked_by.name},
        )
    affected = open_promotions().filter(checkpoint=row.checkpoint, stage=row.stage)
    for promotion in affected:
        execute_when_approved(evaluate_promotion(actor=system("gates"), promotion=promotion))
    return row


def _must_confirm(actor: Actor, waiver: Waiver) -> None:
    if waiver.confirmed_at is not None:
        raise _refused("waiver_confirmed", f"This waiver was confirmed {waiver.confirmed_at}.")
    _must_not_be_rejected(waiver.checkpoint)
    if waiver.expires_at <= clock.now():
        raise _refused("waiver_expired", f"This waiver ended {waiver.expires_at}: ask again.")
    if actor.person_id in (waiver.asked_by_id, waiver.checkpoint.owner_id):
        who = "asked for this waiver" if actor.person_id == waiver.asked_by_id else "owns it"
        sentence = f"{actor.name} {who}: a second person has to confirm it."
        reason = Reason(code="second_person_required", sentence=sentence)
        raise NotPermitted("second_person_required", sentence, [reason])
    groups = groups_of_persons([waiver.asked_by_id]).get(waiver.asked_by_id, frozenset())
    if Role.RELEASE_MANAGER.value not in groups:
        sentence = f"{waiver.asked_by} asked for it and is no release manager any more: ask anew."
        raise _refused("asker_left", sentence)


def _refused(code: str, sentence: str) -> InvalidMove:
    return InvalidMove(code, sentence, [Reason(code=code, sentence=sentence)])
