"""Which approvals still stand: given on this very evidence, by persons who may still approve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from releases.models import Approval, Promotion
from releases.selectors.facts import excluded_persons, groups_of_persons
from releases.states import Vote


def void_approvals(
    promotion: Promotion, evidence_hash: str, because: str, now: datetime
) -> list[str]:
    """Void those that count no more, and keep why; the names of their persons.

    `because`: what changed in the evidence. A person who lost one of several groups keeps the rest.
    """
    rows = Approval.objects.filter(
        promotion=promotion, vote=Vote.APPROVE.value, voided_at__isnull=True
    )
    standing = list(rows.select_related("person"))
    if not standing:
        return []
    excluded = excluded_persons(promotion)
    held = groups_of_persons(row.person_id for row in standing)
    voided = []
    for row in standing:
        why = f"Given on other evidence: {because}." if row.evidence_hash != evidence_hash else ""
        why = why or _lost_right(row, excluded, held)
        if why:
            row.voided_at, row.void_reason = now, why
            row.save(update_fields=["voided_at", "void_reason"])
            voided.append(row.person.name)
    _narrow([row for row in standing if row.voided_at is None], held)
    return voided


def _lost_right(
    row: Approval, excluded: Mapping[str, str], held: Mapping[UUID, frozenset[str]]
) -> str:
    if str(row.person_id) in excluded:
        return f"{row.person.name} {excluded[str(row.person_id)]}."
    if not held.get(row.person_id, frozenset()) & set(row.groups):
        return f"{row.person.name} is in none of the groups any more for which the vote was given."
    return ""


def _narrow(standing: Sequence[Approval], held: Mapping[UUID, frozenset[str]]) -> None:
    for row in standing:
        left = sorted(held[row.person_id] & set(row.groups))
        if left != row.groups:
            row.groups = left
            row.save(update_fields=["groups"])
