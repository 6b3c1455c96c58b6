"""Whom an open promotion asks now, and for what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from uuid import UUID

from infra.notifications.outbox import persons_with
from infra.roles import Role, role_named
from releases.models import Approval, Promotion
from releases.promotions import APPROVALS
from releases.selectors.nearness import near_to
from releases.selectors.promotions import decision_of
from releases.states import Vote


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a promotion waits for from people, and which persons may give it."""

    sentences: tuple[str, ...]
    persons: frozenset[UUID]


def asked_of(promotion: Promotion) -> Asked:
    """Nobody while a gate that no person answers stands in the way.

    The requester, the checkpoint's owner and editors are not asked to approve, nor who has.
    """
    decision = decision_of(promotion)
    if not decision.machine_clear:
        return Asked(sentences=(), persons=frozenset())
    wanted = [reason for reason in decision.unmet if reason.human]
    barred = {UUID(person_id) for person_id in near_to(promotion) if person_id}
    barred |= _approved(promotion)
    persons: set[UUID] = set()
    for reason in wanted:
        may = persons_with(*roles_in(reason.owner))
        persons |= may - barred if reason.kind == APPROVALS else may
    sentences = tuple(reason.sentence for reason in wanted)
    return Asked(sentences=sentences, persons=frozenset(persons))


def roles_in(owner: str) -> Iterable[Role]:
    """The roles that a reason's owner names."""
    return tuple(_roles(owner))


def _roles(owner: str) -> Iterator[Role]:
    for name in owner.split(","):
        try:
            yield role_named(name.strip())
        except ValueError:
            # A person's name: a freeze's owner, say, who is asked elsewhere.
            continue


def _approved(promotion: Promotion) -> set[UUID]:
    standing = Approval.objects.filter(
        promotion=promotion, vote=Vote.APPROVE.value, voided_at__isnull=True
    )
    return set(standing.values_list("person_id", flat=True))
