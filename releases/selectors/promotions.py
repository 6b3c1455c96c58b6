"""Promotions: their reasons, their evidence, their story."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from infra import clock
from infra.errors import NotFound, Reason
from infra.models import AuditEntry, Person
from releases.models import (
    Answer,
    Approval,
    DecisionRecord,
    Evaluation,
    Promotion,
    PromotionComment,
    Waiver,
)
from releases.promotions import Decision, GateReason
from releases.selectors.facts import decisions_of, standings
from releases.states import OPEN_PROMOTIONS

OPEN = tuple(sorted(state.value for state in OPEN_PROMOTIONS))


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionDetail:
    """Everything that the page of one promotion shows."""

    promotion: Promotion
    decision: Decision
    evaluation: Evaluation | None
    excluded: Sequence[tuple[str, str]]
    """Persons whose vote does not count here, and why."""
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


def open_for_the_same_place(promotion: Promotion) -> QuerySet[Promotion]:
    """Open requests, that one among them, for its stage in its size."""
    return promotions().filter(
        stage=promotion.stage, checkpoint__size=promotion.checkpoint.size, state__in=OPEN
    )


def promotion_with_id(promotion_id: UUID | str) -> Promotion:
    """That promotion; NotFound."""
    found = promotions().filter(pk=promotion_id).first()
    if found is None:
        raise NotFound("no_such_promotion", f"There is no promotion {promotion_id}.")
    return found


def comments_of(promotion: Promotion) -> QuerySet[PromotionComment]:
    """What people said about it, the oldest first."""
    return PromotionComment.objects.filter(promotion=promotion).select_related("person")


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
    return promotion_details([promotion], clock.now())[0]


def promotion_details(rows: Sequence[Promotion], now: datetime) -> list[PromotionDetail]:
    """As `promotion_detail`, of many promotions in as many queries as of one."""
    found = standings(rows, now)
    excluded = {row.pk: found[row.pk].facts.excluded for row in rows}
    names = _names({person_id for near in excluded.values() for person_id in near})
    ids = [row.pk for row in rows]
    of = {"promotion__in": ids}
    approvals = _by(Approval.objects.filter(**of).select_related("person"), "promotion_id")
    answers = _by(Answer.objects.filter(**of).select_related("person"), "promotion_id")
    records = _by(DecisionRecord.objects.filter(**of).defer("document"), "promotion_id")
    waivers = _by(_waivers_of(rows), "checkpoint_id", "stage_id")
    entries = AuditEntry.objects.filter(object_type="promotion", object_id__in=map(str, ids))
    timeline = _by(entries, "object_id")
    return [
        PromotionDetail(
            promotion=row,
            decision=found[row.pk].decision,
            evaluation=found[row.pk].evaluation,
            excluded=[(names[person_id], why) for person_id, why in excluded[row.pk].items()],
            approvals=approvals[row.pk],
            answers=answers[row.pk],
            waivers=waivers[row.checkpoint_id, row.stage_id],
            records=records[row.pk],
            timeline=timeline[str(row.pk)],
        )
        for row in rows
    ]


def _waivers_of(rows: Sequence[Promotion]) -> QuerySet[Waiver]:
    return Waiver.objects.filter(
        checkpoint__in={row.checkpoint_id for row in rows},
        stage__in={row.stage_id for row in rows},
    ).select_related("asked_by", "confirmed_by")


def _names(person_ids: set[str]) -> dict[str, str]:
    rows = Person.objects.filter(pk__in=person_ids).values_list("pk", "name")
    return {str(person_id): name for person_id, name in rows}


def _by(rows: Iterable[Any], *names: str) -> dict[Any, list[Any]]:
    """The rows in their order, by those of their fields."""
    found: dict[Any, list[Any]] = defaultdict(list)
    key = attrgetter(*names)
    for row in rows:
        found[key(row)].append(row)
    return found
