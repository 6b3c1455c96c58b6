"""Promotions: their reasons, their evidence, their story."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import QuerySet

from infra import clock
from infra.errors import NotFound, Reason
from infra.models import AuditEntry
from releases.models import Answer, Approval, DecisionRecord, Evaluation, Promotion, Waiver
from releases.promotions import Decision, GateReason
from releases.selectors.facts import decisions_of, newest_evaluations
from releases.states import OPEN_PROMOTIONS

OPEN = tuple(sorted(state.value for state in OPEN_PROMOTIONS))


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionDetail:
    """Everything that the page of one promotion shows."""

    promotion: Promotion
    decision: Decision
    evaluation: Evaluation | None
    approvals: Sequence[Approval]
    answers: Sequence[Answer]
    waivers: Sequence[Waiver]
    records: Sequence[DecisionRecord]
    timeline: Sequence[AuditEntry]


def promotions() -> QuerySet[Promotion]:
    """Newest first, with what a line about each of them needs."""
    return Promotion.objects.select_related(
        "checkpoint__family", "checkpoint__owner", "stage__pipeline", "requested_by"
    )


def open_promotions() -> QuerySet[Promotion]:
    """The queue, oldest first."""
    return promotions().filter(state__in=OPEN).order_by("requested_at")


def promotion_with_id(promotion_id: UUID | str) -> Promotion:
    """That promotion; NotFound."""
    found = promotions().filter(pk=promotion_id).first()
    if found is None:
        raise NotFound("no_such_promotion", f"There is no promotion {promotion_id}.")
    return found


def waiver_with_id(waiver_id: UUID | str) -> Waiver:
    """That waiver with its persons; NotFound."""
    related = Waiver.objects.select_related("checkpoint", "stage__pipeline", "asked_by")
    found = related.filter(pk=waiver_id).first()
    if found is None:
        raise NotFound("no_such_waiver", f"There is no waiver {waiver_id}.")
    return found


def decision_record_with_id(record_id: UUID | str) -> DecisionRecord:
    """That record, or the newest one of the promotion with that id; NotFound."""
    found = (
        DecisionRecord.objects.filter(pk=record_id).first()
        or DecisionRecord.objects.filter(promotion=record_id).first()
    )
    if found is None:
        raise NotFound(
            "no_such_decision", f"There is no decision, nor a decided promotion, {record_id}."
        )
    return found


def decision_of(promotion: Promotion) -> Decision:
    """The one decision that console, API, command line and scheduler show."""
    return decisions_of([promotion], clock.now())[promotion.pk]


def reasons_of(promotion: Promotion) -> tuple[GateReason, ...]:
    """Every reason in gate order: gates, approvals, holds."""
    return decision_of(promotion).reasons


def as_refusal_reason(reason: GateReason) -> Reason:
    """A gate's reason as refusals and the API carry it."""
    return Reason(
        code=reason.code,
        sentence=reason.sentence,
        gate_id=reason.gate_id,
        outcome=reason.outcome.value,
        observed=reason.observed,
        required=reason.required,
        owner=reason.owner or None,
        clears_at=reason.clears_at.isoformat() if reason.clears_at else None,
    )


def promotion_detail(promotion: Promotion) -> PromotionDetail:
    """The promotion with reasons, evidence, votes and timeline."""
    newest = newest_evaluations([promotion.pk])
    return PromotionDetail(
        promotion=promotion,
        decision=decision_of(promotion),
        evaluation=newest.get(promotion.pk),
        approvals=list(promotion.approvals.select_related("person")),
        answers=list(promotion.answers.select_related("person")),
        waivers=list(
            Waiver.objects.filter(
                checkpoint=promotion.checkpoint_id, stage=promotion.stage_id
            ).select_related("asked_by", "confirmed_by")
        ),
        records=list(promotion.decisions.all()),
        timeline=list(
            AuditEntry.objects.filter(object_type="promotion", object_id=str(promotion.pk))
        ),
    )
