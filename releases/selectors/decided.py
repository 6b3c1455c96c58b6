"""A promotion's past decision, as it was seen when it was made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from infra.errors import NotFound
from releases.models import DecisionRecord, Evaluation, Promotion
from releases.promotions import APPROVALS, Decision
from releases.replay.judge import Difference, replay
from releases.replay.records import NoRecord, recorded_reasons
from releases.selectors.decisions import exported
from releases.selectors.promotions import PromotionDetail
from releases.states import Block, PromotionState

_BLOCKS = frozenset(block.value for block in Block)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenDecision:
    """A record's own words, and what comes of judging it again now."""

    record: DecisionRecord
    decision: Decision
    evaluation: Evaluation | None
    differences: Sequence[Difference]
    """Where the record does not follow from its evidence; empty: it does."""

    @property
    def holds(self) -> bool:
        return not self.differences


def record_of(promotion: Promotion, wanted: str = "") -> DecisionRecord | None:
    """The promotion's record with that id, or its newest; None before it was decided. NotFound."""
    records = DecisionRecord.objects.filter(promotion=promotion)
    if not wanted:
        return records.first()
    found = records.filter(pk=wanted).first() if _is_uuid(wanted) else None
    if found is None:
        raise NotFound("no_such_decision", f"{promotion} has no decision {wanted!r}.")
    return found


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def seen_decision(record: DecisionRecord) -> SeenDecision:
    """What the record says, word by word; NotFound for a document that can't be read.

    InvalidInput when the document is not the one that was recorded.
    """
    document = record.document
    try:
        reasons = recorded_reasons(document)
        judged = replay(exported(record))
    except NoRecord as unreadable:
        message = f"Decision {record.pk} can't be read: {unreadable}."
        raise NotFound("unreadable_decision", message) from unreadable
    verdict: Mapping[str, Any] = document.get("verdict") or document
    return SeenDecision(
        record=record,
        decision=Decision(
            gates=tuple(r for r in reasons if r.kind != APPROVALS and r.kind not in _BLOCKS),
            approvals=tuple(r for r in reasons if r.kind == APPROVALS),
            blocks=tuple(r for r in reasons if r.kind in _BLOCKS),
            machine_clear=bool(verdict.get("machine_clear", verdict["admits"])),
            admits=bool(verdict["admits"]),
            evidence_hash=str(verdict["evidence_hash"]),
            approvals_needed=int(verdict.get("approvals_needed", 0)),
            state=PromotionState(verdict["state"]),
        ),
        evaluation=_evaluation(record, document.get("evaluation")),
        differences=judged.differences,
    )


def _evaluation(record: DecisionRecord, number: int | None) -> Evaluation | None:
    """The evaluation that the record names, with its gates' rows."""
    rows = Evaluation.objects.filter(promotion=record.promotion_id, number=number)
    return rows.prefetch_related("outcomes").first()


def as_decided(detail: PromotionDetail, seen: SeenDecision) -> PromotionDetail:
    """The detail with that decision's reasons, and without what came after it."""
    at = seen.record.decided_at
    return replace(
        detail,
        decision=seen.decision,
        evaluation=seen.evaluation,
        approvals=[row for row in detail.approvals if row.voted_at <= at],
        answers=[row for row in detail.answers if row.answered_at <= at],
        waivers=[row for row in detail.waivers if row.asked_at <= at],
    )
