"""The whole of one decision as one document, enough to judge it again offline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from releases.digests import plain_json, sha256_of
from releases.gates.contract import Gate
from releases.gates.terms import gates_of
from releases.models import Approval, DecisionRecord, Evaluation, GateOutcome, Promotion, Waiver
from releases.promotions import UNGATED, Decision, GateReason
from releases.replay.judge import verdict_document
from releases.replay.records import (
    FORMAT,
    block_documents,
    evidence_said,
    people_document,
    reason_document,
    sealed,
)
from releases.selectors.facts import facts_of, newest_evaluations
from releases.states import ADMITTING, Outcome


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
    """What was decided, on which evidence, by whom; `releases.replay` judges it again."""
    newest = newest_evaluations([promotion.pk]).get(promotion.pk)
    facts = facts_of(promotion, now)
    document = {
        "format": FORMAT,
        "promotion": _promotion(promotion),
        "set": _set_members(promotion),
        "policy": {"digest": promotion.policy_digest, "stage": promotion.policy},
        "evaluation": newest.number if newest else None,
        "evaluated_at": newest.evaluated_at.isoformat() if newest else None,
        "decided_at": now.isoformat(),
        "state": promotion.state,
        "reason": promotion.decision_reason,
        "admits": decision.admits,
        "evidence_hash": decision.evidence_hash,
        "verdict": verdict_document(decision),
        "gates": _gates(promotion, newest),
        "reasons": [reason_document(reason) for reason in decision.reasons],
        **people_document(facts),
        "void_approvals": _void_approvals(promotion),
        "waivers": _waivers(promotion, decision.gates),
        "blocks": block_documents(decision.blocks),
        "hotfix": facts.hotfix,
    }
    return sealed(plain_json(document))


def _promotion(promotion: Promotion) -> dict[str, Any]:
    checkpoint = promotion.checkpoint
    return {
        "id": str(promotion.pk),
        "checkpoint": checkpoint.name,
        "checkpoint_digest": checkpoint.checkpoint_digest,
        "family": checkpoint.family.name,
        "size": checkpoint.size,
        "stage": str(promotion.stage),
        "requested_by": promotion.requester_name,
        "requested_at": promotion.requested_at.isoformat(),
        "expires_at": promotion.expires_at.isoformat(),
        "reason": promotion.reason,
    }


def _set_members(promotion: Promotion) -> list[dict[str, Any]]:
    """The other sizes that were asked for together with this one."""
    if promotion.together_id is None:
        return []
    members = Promotion.objects.filter(together=promotion.together_id).exclude(pk=promotion.pk)
    return [
        {
            "promotion": str(member.pk),
            "checkpoint": member.checkpoint.name,
            "checkpoint_digest": member.checkpoint.checkpoint_digest,
            "size": member.checkpoint.size,
            "state": member.state,
        }
        for member in members.select_related("checkpoint").order_by("checkpoint__size")
    ]


def _gates(promotion: Promotion, evaluation: Evaluation | None) -> list[dict[str, Any]]:
    """What was judged, in the order of its reasons; a gate of an older policy has no options."""
    gates = {gate.id: gate for gate in gates_of(promotion.policy)}
    rows = list(evaluation.outcomes.all()) if evaluation else []
    moments = _judged_at(promotion, rows)
    return [
        {**_gate(row, gates.get(row.gate_id)), **moments.get(row.gate_id, {})}
        for row in rows
        if row.gate_id != UNGATED
    ]


def _judged_at(promotion: Promotion, rows: Sequence[GateOutcome]) -> dict[str, dict[str, str]]:
    """When the others were judged, where an input made some stale: that judged nothing anew."""
    if all(row.outcome != Outcome.STALE.value for row in rows):
        return {}
    said = {row.gate_id: _said(row) for row in rows if row.outcome != Outcome.STALE.value}
    found: dict[str, dict[str, str]] = {}
    past = Evaluation.objects.filter(promotion=promotion).order_by("-number")
    for evaluation in past.prefetch_related("outcomes"):
        same = {
            row.gate_id for row in evaluation.outcomes.all() if said.get(row.gate_id) == _said(row)
        }
        said = {gate_id: what for gate_id, what in said.items() if gate_id in same}
        if not said:
            break
        found.update({g: {"judged_at": evaluation.evaluated_at.isoformat()} for g in said})
    return found


def _said(row: GateOutcome) -> tuple[Any, ...]:
    return row.outcome, row.code, row.sentence, row.clears_at, row.evidence


def _gate(row: GateOutcome, gate: Gate | None) -> dict[str, Any]:
    observed, said = evidence_said(row.evidence)
    return {
        "id": row.gate_id,
        "kind": row.kind,
        "shadow": row.shadow,
        "options": dict(gate.options) if gate else {},
        "evidence": observed,
        "problem": said.get("problem", ""),
        "missing": said.get("missing", ""),
        "evidence_url": row.evidence_url,
        "inputs": row.inputs,
        "outcome": row.outcome,
        "code": row.code,
    }


def _void_approvals(promotion: Promotion) -> list[dict[str, Any]]:
    """Votes that stopped counting, and why."""
    rows = Approval.objects.filter(promotion=promotion, voided_at__isnull=False)
    return [
        {
            "person": row.person.name,
            "vote": row.vote,
            "evidence_hash": row.evidence_hash,
            "voted_at": row.voted_at.isoformat(),
            "voided_at": row.voided_at.isoformat(),
            "because": row.void_reason,
        }
        for row in rows.select_related("person")
    ]


def _waivers(promotion: Promotion, gates: Iterable[GateReason]) -> list[dict[str, Any]]:
    """Confirmed waivers of this checkpoint and stage; `counted`: the outcomes were judged with it.

    One that was confirmed after the gates were judged changed nothing in this decision.
    """
    rows = Waiver.objects.filter(
        checkpoint=promotion.checkpoint_id, stage=promotion.stage_id, confirmed_by__isnull=False
    ).select_related("asked_by", "confirmed_by")
    outcomes = {gate.gate_id: gate.outcome for gate in gates}
    return [_waiver(row, outcomes) for row in rows]


def _waiver(row: Waiver, outcomes: Mapping[str, Outcome]) -> dict[str, Any]:
    return {
        "gate_id": row.gate_id,
        "reason": row.reason,
        "asked_by": row.asked_by.name,
        "asked_at": row.asked_at.isoformat(),
        "confirmed_by": row.confirmed_by.name if row.confirmed_by else None,
        "confirmed_at": row.confirmed_at.isoformat() if row.confirmed_at else None,
        "expires_at": row.expires_at.isoformat(),
        "counted": outcomes.get(row.gate_id, Outcome.WAIVED) in ADMITTING,
    }
