"""The whole of one decision as one document, enough to judge it again offline."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from releases.digests import sha256_of
from releases.gates.terms import gates_of
from releases.models import DecisionRecord, GateOutcome, Promotion
from releases.promotions import Decision, GateReason
from releases.selectors.facts import facts_of, newest_evaluations

FORMAT = "slipway.decision/1"


def record_decision(promotion: Promotion, decision: Decision, now: datetime) -> DecisionRecord:
    """Write the record of a promotion that has just ended; runs inside that transaction."""
    document = decision_document(promotion, decision, now)
    return DecisionRecord.objects.create(
        promotion=promotion,
        document=document,
        document_hash=sha256_of(document),
        decided_at=now,
    )


def decision_document(promotion: Promotion, decision: Decision, now: datetime) -> dict[str, Any]:
    """What was decided, on which evidence, by whom; JSON."""
    newest = newest_evaluations([promotion.pk]).get(promotion.pk)
    rows = {row.gate_id: row for row in newest.outcomes.all()} if newest else {}
    return {
        "format": FORMAT,
        "promotion": _promotion(promotion),
        "policy": {"digest": promotion.policy_digest, "stage": promotion.policy},
        "evaluated_at": newest.evaluated_at.isoformat() if newest else None,
        "decided_at": now.isoformat(),
        "state": promotion.state,
        "reason": promotion.decision_reason,
        "admits": decision.admits,
        "evidence_hash": decision.evidence_hash,
        "gates": _gates(promotion, rows),
        "reasons": [reason_document(reason) for reason in decision.reasons],
        **_people(promotion, now),
    }


def _promotion(promotion: Promotion) -> dict[str, Any]:
    checkpoint = promotion.checkpoint
    return {
        "id": str(promotion.pk),
        "checkpoint": checkpoint.name,
        "checkpoint_digest": checkpoint.checkpoint_digest,
        "stage": str(promotion.stage),
        "requested_by": promotion.requester_name,
        "requested_at": promotion.requested_at.isoformat(),
        "expires_at": promotion.expires_at.isoformat(),
        "reason": promotion.reason,
    }


def _gates(promotion: Promotion, rows: Mapping[str, GateOutcome]) -> list[dict[str, Any]]:
    return [
        {
            "id": gate.id,
            "kind": gate.kind,
            "shadow": gate.shadow,
            "options": dict(gate.options),
            "evidence": rows[gate.id].evidence if gate.id in rows else None,
            "inputs": rows[gate.id].inputs if gate.id in rows else {},
            "outcome": rows[gate.id].outcome if gate.id in rows else None,
        }
        for gate in gates_of(promotion.policy)
    ]


def _people(promotion: Promotion, now: datetime) -> dict[str, Any]:
    facts = facts_of(promotion, now)
    return {
        "approval_rule": {
            "required": facts.approvals.required,
            "groups": list(facts.approvals.groups),
        },
        "excluded": dict(facts.excluded),
        "approvals": [
            {
                "person_id": vote.person_id,
                "person": vote.person,
                "vote": vote.vote.value,
                "groups": sorted(vote.groups),
                "evidence_hash": vote.evidence_hash,
                "comment": vote.comment,
            }
            for vote in facts.votes
        ],
        "waivers": [
            {
                "gate_id": waiver.gate_id,
                "reason": waiver.reason,
                "asked_by": waiver.asked_by,
                "confirmed_by": waiver.confirmed_by,
                "expires_at": waiver.expires_at.isoformat(),
            }
            for waiver in facts.waivers
        ],
    }


def reason_document(reason: GateReason) -> dict[str, Any]:
    """One reason as JSON."""
    return {
        "gate_id": reason.gate_id,
        "kind": reason.kind,
        "outcome": reason.outcome.value,
        "code": reason.code,
        "sentence": reason.sentence,
        "shadow": reason.shadow,
        "clears_at": reason.clears_at.isoformat() if reason.clears_at else None,
    }
