"""Judges a promotion on fresh evidence and records what changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from infra import audit, clock
from infra.actors import Actor
from infra.errors import InvalidMove
from infra.roles import Role, Scope
from releases.digests import plain_json
from releases.evidence import gather_all
from releases.gates.contract import Evidence
from releases.gates.facts import GateFact
from releases.gates.terms import gates_of
from releases.models import Evaluation, GateOutcome, Promotion
from releases.promotions import Decision, GateReason, decide
from releases.selectors.facts import facts_of, newest_evaluations, reason_of_row, subject_of
from releases.services.promotions.decided import carry_answers
from releases.services.promotions.moves import locked, move, snapshot
from releases.services.promotions.records import record_decision
from releases.services.promotions.sets import end_the_rest
from releases.services.promotions.standing import void_approvals
from releases.states import OPEN_PROMOTIONS, PromotionState

_ATTEMPTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """Evidence, and the evaluation that was the newest when gathering began."""

    promotion_id: UUID
    number: int
    policy_digest: str
    gates: tuple[GateFact, ...]
    at: datetime


def evaluate_promotion(*, actor: Actor, promotion: Promotion, fresh: bool = True) -> Promotion:
    """The promotion after all its gates were judged now; an ended one is given back as it is.

    Evidence is gathered outside the transaction. Rows are written only when something changed.
    """
    actor.must(
        "evaluate promotions",
        Role.ENGINEER,
        Role.RELEASE_MANAGER,
        Role.BEHAVIOUR_REVIEWER,
        Role.EVAL_OWNER,
        scope=Scope.PROMOTE,
    )
    for _ in range(_ATTEMPTS):
        gathered = gather(promotion, fresh=fresh)
        with transaction.atomic():
            row = locked(promotion.pk)
            state = settle(actor, row, gathered)
            n_carried = carry_answers(actor, row) if state in OPEN_PROMOTIONS else 0
        if state is not None and not n_carried:
            return row
    raise moved_meanwhile(promotion)


def moved_meanwhile(promotion: Promotion) -> InvalidMove:
    return InvalidMove("moved_meanwhile", f"{promotion} keeps changing while it is judged: again.")


def gather(promotion: Promotion, *, fresh: bool) -> Gathered:
    """Everything the sources know now; asks networks and files, so never inside a transaction."""
    row = Promotion.objects.select_related("checkpoint__family", "stage").get(pk=promotion.pk)
    number, now = newest_number(row.pk), clock.now()
    gates = gather_all(gates_of(row.policy), subject_of(row), now, fresh=fresh)
    return Gathered(
        promotion_id=row.pk, number=number, policy_digest=row.policy_digest, gates=gates, at=now
    )


def newest_number(promotion_id: UUID) -> int:
    """The number of the last evaluation; 0 before the first."""
    numbers = Evaluation.objects.filter(promotion=promotion_id).order_by("-number")
    return numbers.values_list("number", flat=True).first() or 0


def settle(actor: Actor, row: Promotion, gathered: Gathered) -> PromotionState | None:
    """Judge and record on the locked row; None when newer evidence came in between."""
    if PromotionState(row.state) not in OPEN_PROMOTIONS:
        return PromotionState(row.state)
    if newest_number(row.pk) != gathered.number or row.policy_digest != gathered.policy_digest:
        return None
    facts = facts_of(row, gathered.at, gathered.gates)
    decision = decide(facts, gathered.at)
    evidence = {fact.gate.id: fact.evidence for fact in gathered.gates}
    record(actor, row, decision, evidence, "promotion.evaluated", gathered.at)
    return PromotionState(row.state)


def record(
    actor: Actor,
    row: Promotion,
    decision: Decision,
    evidence: Mapping[str, Evidence],
    action: str,
    now: datetime,
    reason: str = "",
) -> None:
    """Write the evaluation when it says something new, void what rested on the old, move on."""
    before = snapshot(row)
    newest = newest_evaluations([row.pk]).get(row.pk)
    old = tuple(reason_of_row(outcome) for outcome in newest.outcomes.all()) if newest else ()
    changes = _changes(old, decision.gates)
    if newest is None or changes or newest.evidence_hash != decision.evidence_hash:
        _write(row, decision, evidence, (newest.number if newest else 0) + 1, now)
    because = "; ".join(changes) or reason or "the evidence changed"
    voided = void_approvals(row, decision.evidence_hash, because, now)
    _move(actor, row, decision, now)
    if changes or voided or before["state"] != row.state:
        outcomes = {gate.gate_id: gate.outcome.value for gate in decision.gates}
        audit.record(
            actor=actor,
            action=action,
            subject=row,
            reason=reason,
            before=before,
            after={**snapshot(row), "outcomes": outcomes, "voided_approvals": voided},
            evidence_hash=decision.evidence_hash,
        )


def _changes(old: Sequence[GateReason], new: Sequence[GateReason]) -> list[str]:
    """What is said now and was not said before, one clause a gate."""
    known = {gate.gate_id: gate for gate in old}
    found = []
    for gate in new:
        before = known.pop(gate.gate_id, None)
        if before is None:
            found.append(f"{gate.gate_id} is {gate.outcome}")
        elif _said(before) != _said(gate):
            moved = f"{before.outcome} -> {gate.outcome}"
            same = before.outcome is gate.outcome
            found.append(f"{gate.gate_id}: {'its numbers changed' if same else moved}")
    return found + [f"{gone} is no longer asked" for gone in known]


def _said(gate: GateReason) -> tuple[Any, ...]:
    return (gate.outcome, gate.code, gate.sentence, gate.shadow, gate.clears_at, dict(gate.inputs))


def _write(
    row: Promotion,
    decision: Decision,
    evidence: Mapping[str, Evidence],
    number: int,
    now: datetime,
) -> None:
    evaluation = Evaluation.objects.create(
        promotion=row,
        number=number,
        evaluated_at=now,
        admits=decision.admits,
        machine_clear=decision.machine_clear,
        evidence_hash=decision.evidence_hash,
    )
    GateOutcome.objects.bulk_create(
        outcome_row(evaluation, position, gate, evidence.get(gate.gate_id, Evidence()))
        for position, gate in enumerate(decision.gates)
    )


def outcome_row(
    evaluation: Evaluation, position: int, gate: GateReason, evidence: Evidence
) -> GateOutcome:
    """A gate's answer frozen, with the numbers that it was given, or why there were none."""
    numbers = evidence.observed
    if numbers is None or evidence.problem:
        said = {"problem": evidence.problem, "missing": evidence.missing}
        numbers = {key: text for key, text in said.items() if text} or None
    return GateOutcome(
        evaluation=evaluation,
        position=position,
        gate_id=gate.gate_id,
        kind=gate.kind,
        shadow=gate.shadow,
        outcome=gate.outcome.value,
        code=gate.code,
        sentence=gate.sentence,
        observed=plain_json(gate.observed),
        required=plain_json(gate.required),
        owner=gate.owner,
        clears_at=gate.clears_at,
        inputs=dict(gate.inputs),
        evidence=plain_json(numbers),
        evidence_url=evidence.url,
    )


def _move(actor: Actor, row: Promotion, decision: Decision, now: datetime) -> None:
    rejections = ("rejected", "rejected_checkpoint")
    reasons = {
        PromotionState.REJECTED: next(
            (r.sentence for r in decision.unmet if r.code in rejections), ""
        ),
        PromotionState.EXPIRED: f"Nobody decided it by {row.expires_at:%Y-%m-%d %H:%M} UTC.",
    }
    move(row, decision.state, now, reasons.get(decision.state, ""))
    if decision.state in reasons:
        record_decision(row, decision, now)
        end_the_rest(actor, row, now)
