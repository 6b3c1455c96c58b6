"""Promotions and waivers: who is asked, and how it ended."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from django.urls import reverse

from infra.models import AuditEntry
from infra.notifications.kinds import Fact, Kind
from infra.notifications.outbox import persons_with
from infra.roles import Role
from releases.models import Promotion
from releases.notifications.facts import actor_of, fact_of
from releases.selectors.asked import asked_of
from releases.selectors.promotions import promotions
from releases.states import PromotionState
from releases.wording import quoted

_ENDS = {
    PromotionState.PROMOTED: "was promoted",
    PromotionState.REJECTED: "was rejected",
    PromotionState.EXPIRED: "has expired",
}


def promotion_moved(entry: AuditEntry) -> Iterator[Fact]:
    before, after = (entry.before or {}).get("state"), (entry.after or {}).get("state")
    if after is None or after == before:
        return
    row = promotions().filter(pk=entry.object_id).first()
    if row is None:
        return
    if after == PromotionState.WAITING:
        yield _approval_waits(entry, row)
    elif after in _ENDS:
        yield fact_of(
            entry,
            Kind.DECISION,
            event=f"promotion.{after}",
            title=f"{row} {_ENDS[PromotionState(after)]}",
            text=row.decision_reason or entry.reason,
            link=reverse("console-promotion", args=[row.pk]),
            ordered_by=row.checkpoint_id,
            persons=_near_persons(row) - {actor_of(entry)},
        )


def _approval_waits(entry: AuditEntry, row: Promotion) -> Fact:
    is_open = row.state == PromotionState.WAITING
    asked = asked_of(row) if is_open else None
    return Fact(
        kind=Kind.DECISION,
        # Asked again only on other evidence: gates that waver must not ask the same twice.
        key=f"promotion.waiting:{row.pk}:{entry.evidence_hash}",
        event="promotion.waiting",
        title=f"{row} waits for a decision",
        text=" ".join(
            (
                f"{row.requester_name} asks: {quoted(row.reason)}",
                *(asked.sentences if asked else ()),
            )
        ),
        link=reverse("console-promotion", args=[row.pk]),
        subject=str(row.pk),
        ordered_by=str(row.checkpoint_id),
        persons=asked.persons if asked else frozenset(),
        data=_names(row),
    )


def waiver_asked(entry: AuditEntry) -> Iterator[Fact]:
    row = promotions().filter(pk=entry.object_id).first()
    if row is None:
        return
    gate_id = (entry.after or {}).get("gate_id", "")
    barred = {actor_of(entry), row.checkpoint.owner_id}
    yield fact_of(
        entry,
        Kind.DECISION,
        event="waiver.asked",
        title=f"A waiver of {gate_id} for {row} waits for a second person",
        text=f"{entry.actor_name} asks: {quoted(entry.reason)}",
        link=reverse("console-promotion", args=[row.pk]),
        ordered_by=row.checkpoint_id,
        persons=persons_with(Role.RELEASE_MANAGER) - barred,
        data={**_names(row), "gate_id": gate_id},
    )


def _names(row: Promotion) -> dict[str, str]:
    return {
        "promotion": str(row.pk),
        "checkpoint": row.checkpoint.name,
        "stage": str(row.stage),
        "requested_by": row.requester_name,
    }


def _near_persons(row: Promotion) -> frozenset[UUID]:
    """Who asked for it, and whose checkpoint it is."""
    return frozenset({row.checkpoint.owner_id, *filter(None, [row.requested_by_id])})
