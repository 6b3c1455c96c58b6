"""What a change of an input or of a policy does to outcomes that were judged before it.

The services that carry such a change out compute it here too, on locked rows, so a preview tells
exactly what will happen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from infra import clock
from releases.gates.contract import Gate
from releases.gates.facts import Facts
from releases.gates.registry import kinds
from releases.models import Evaluation, Promotion
from releases.policy.drift import drift
from releases.promotions import Decision, GateReason, conclude, with_ungated
from releases.selectors.facts import facts_of_all, newest_evaluations, reason_of_row
from releases.selectors.promotions import OPEN, promotions
from releases.states import Outcome, Vote

POLICY_CHANGED = "its definition changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPolicy:
    """What a stage says from now on."""

    policy: Mapping[str, Any]
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stale:
    """What a change does to one open promotion."""

    promotion: Promotion
    gates: tuple[str, ...] = ()
    """Gates whose outcome goes stale."""
    removed: tuple[str, ...] = ()
    """Gates that are no longer asked."""
    added: tuple[str, ...] = ()
    """Gates that are asked from now on."""
    approvals: tuple[str, ...] = ()
    """Persons whose approval is void by it."""
    decision: Decision | None = field(default=None, repr=False, compare=False)
    """What follows from it; None for a promotion that was never evaluated."""

    @property
    def sentence(self) -> str:
        """One line about it."""
        clauses = [
            f"{', '.join(names)} {what}"
            for names, what in (
                (self.gates, "stale"),
                (self.removed, "no longer asked"),
                (self.added, "asked from now on"),
            )
            if names
        ]
        if self.approvals:
            clauses.append(f"void: the approval of {', '.join(self.approvals)}")
        return f"{self.promotion}: {'; '.join(clauses) or 'no outcome and no approval changes'}."

    def as_dict(self) -> dict[str, Any]:
        return {
            "promotion": str(self.promotion.pk),
            "checkpoint": self.promotion.checkpoint.name,
            "stage": str(self.promotion.stage),
            "gates": list(self.gates),
            "removed_gates": list(self.removed),
            "added_gates": list(self.added),
            "voided_approvals": list(self.approvals),
            "sentence": self.sentence,
        }


def stale_by_inputs(digests: Mapping[str, str]) -> list[Stale]:
    """What would go stale if these inputs had these digests; by name, as in a gate's inputs."""
    return changed_inputs(_open_promotions(), digests, "", clock.now())


def stale_by_policies(policies: Mapping[UUID, NewPolicy]) -> list[Stale]:
    """What would change for open promotions if these stages had these policies."""
    return changed_policies(_open_promotions(), policies, clock.now())


def changed_inputs(
    rows: Sequence[Promotion], digests: Mapping[str, str], why: str, now: datetime
) -> list[Stale]:
    """Those of the open promotions that rest on another digest of one of these inputs."""
    evaluations = newest_evaluations(row.pk for row in rows)
    gates = {pk: _resting_on(evaluation, digests) for pk, evaluation in evaluations.items()}
    touched = [row for row in rows if gates.get(row.pk)]
    facts = facts_of_all(touched, now)
    return [
        _stale(
            row,
            facts[row.pk],
            now,
            tuple(
                _gone_stale(reason, why) if reason.gate_id in gates[row.pk] else reason
                for reason in _reasons(evaluations[row.pk])
            ),
            gates=tuple(gates[row.pk]),
        )
        for row in touched
    ]


def changed_policies(
    rows: Sequence[Promotion], policies: Mapping[UUID, NewPolicy], now: datetime
) -> list[Stale]:
    """Those of the open promotions whose stage has another policy; they take it, unsaved."""
    touched = [
        row
        for row in rows
        if row.stage_id in policies and row.policy_digest != policies[row.stage_id].digest
    ]
    before = {row.pk: row.policy for row in touched}
    for row in touched:
        new = policies[row.stage_id]
        row.policy, row.policy_digest = dict(new.policy), new.digest
    facts = facts_of_all(touched, now)
    evaluations = newest_evaluations(row.pk for row in touched)
    return [
        _by_policy(row, before[row.pk], evaluations.get(row.pk), facts[row.pk], now)
        for row in touched
    ]


def _by_policy(
    row: Promotion,
    before: Mapping[str, Any],
    evaluation: Evaluation | None,
    facts: Facts,
    now: datetime,
) -> Stale:
    if evaluation is None:
        return Stale(promotion=row)
    moved = drift(before, row.policy)
    standing = {reason.gate_id: reason for reason in _reasons(evaluation)}
    for name in moved.removed:
        standing.pop(name, None)
    for gate in moved.changed:
        if gate.id in standing:
            standing[gate.id] = _redefined(_gone_stale(standing[gate.id], POLICY_CHANGED), gate)
    for gate in moved.added:
        standing[gate.id] = _redefined(_not_judged(gate), gate)
    stale = [gate.id for gate in moved.changed if gate.id in standing]
    return _stale(
        row,
        facts,
        now,
        with_ungated(tuple(standing.values()), facts, now),
        gates=tuple(stale),
        removed=moved.removed,
        added=tuple(gate.id for gate in moved.added),
    )


def _stale(
    row: Promotion, facts: Facts, now: datetime, reasons: tuple[GateReason, ...], **names: Any
) -> Stale:
    decision = conclude(reasons, facts, now)
    void = [
        vote.person
        for vote in facts.votes
        if vote.vote is Vote.APPROVE and vote.evidence_hash != decision.evidence_hash
    ]
    return Stale(promotion=row, approvals=tuple(sorted(void)), decision=decision, **names)


def _open_promotions() -> list[Promotion]:
    return list(promotions().filter(state__in=OPEN).order_by("pk"))


def _reasons(evaluation: Evaluation) -> list[GateReason]:
    return [reason_of_row(row) for row in evaluation.outcomes.all()]


def _resting_on(evaluation: Evaluation, digests: Mapping[str, str]) -> dict[str, None]:
    """Gates that another digest went into, in their order; what is stale already stays so."""
    return {
        outcome.gate_id: None
        for outcome in evaluation.outcomes.all()
        for name, digest in outcome.inputs.items()
        if digests.get(name, digest) != digest and outcome.outcome != Outcome.STALE.value
    }


def _gone_stale(reason: GateReason, why: str) -> GateReason:
    sentence = f"Stale, because {why}; before: {reason.sentence}"
    return replace(reason, outcome=Outcome.STALE, code="stale", sentence=sentence, clears_at=None)


def _not_judged(gate: Gate) -> GateReason:
    return GateReason(
        gate_id=gate.id,
        kind=gate.kind,
        outcome=Outcome.INCONCLUSIVE,
        code="not_evaluated",
        sentence="The policy asks this from now on; it is judged at the next look.",
    )


def _redefined(reason: GateReason, gate: Gate) -> GateReason:
    rule = kinds().get(gate.kind)
    human = rule is not None and rule.human
    return replace(reason, kind=gate.kind, shadow=gate.shadow, human=human)
