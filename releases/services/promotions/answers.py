"""What people answer to the gates that only people can clear."""

from __future__ import annotations

from django.db import transaction

from infra import audit, clock
from infra.actors import Actor, system
from infra.errors import InvalidInput, NotFound
from infra.roles import Role, role_named
from releases.gates.contract import Gate
from releases.gates.registry import kinds
from releases.gates.terms import gates_of
from releases.models import Answer, Promotion
from releases.selectors.promotions import decision_of
from releases.services.promotions.decided import key_of_answer
from releases.services.promotions.evaluate import evaluate_promotion
from releases.services.promotions.execute import execute_when_approved
from releases.services.promotions.moves import locked, must_be_open, must_have_text


def answer_gate(
    *, actor: Actor, promotion: Promotion, gate_id: str, yes: bool, comment: str
) -> Promotion:
    """Keep a person's yes or blocking no, with its comment, and judge the promotion again.

    NotPermitted for keys and for persons without the gate's role.
    """
    person_id = actor.must_be_person("answer a gate")
    comment = must_have_text(comment, "An answer's comment")
    with transaction.atomic():
        row = locked(promotion.pk)
        must_be_open(row)
        gate = _human_gate(row, gate_id)
        actor.must(f"answer {gate_id}", _role_of(gate))
        Answer.objects.create(
            promotion=row,
            gate_id=gate_id,
            person_id=person_id,
            yes=yes,
            comment=comment,
            evidence_key=key_of_answer(gate, row, decision_of(row).gates),
            answered_at=clock.now(),
        )
        audit.record(
            actor=actor,
            action="promotion.answered",
            subject=row,
            reason=comment,
            after={"gate_id": gate_id, "yes": yes},
        )
    judged = evaluate_promotion(actor=system("gates"), promotion=row)
    return execute_when_approved(judged)


def _human_gate(promotion: Promotion, gate_id: str) -> Gate:
    rules = kinds()
    gates = {g.id: g for g in gates_of(promotion.policy) if g.kind in rules and rules[g.kind].human}
    if gate_id not in gates:
        known = ", ".join(gates) or "none"
        raise NotFound("no_such_gate", f"{promotion} asks people nothing as {gate_id!r}: {known}.")
    return gates[gate_id]


def _role_of(gate: Gate) -> Role:
    try:
        return role_named(str(gate.options.get("role", Role.RELEASE_MANAGER.value)))
    except ValueError as error:
        raise InvalidInput("unknown_role", f"Gate {gate.id}: {error}.") from error
