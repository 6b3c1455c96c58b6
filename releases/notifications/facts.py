"""What every fact of an audit entry shares: its key, its event, and whom it is for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from infra.actors import ActorKind
from infra.models import AuditEntry
from infra.notifications.kinds import Fact, Kind


def fact_of(
    entry: AuditEntry,
    kind: Kind,
    *,
    title: str,
    text: str,
    link: str,
    ordered_by: object = "",
    event: str | None = None,
    persons: Iterable[UUID] = (),
    data: dict[str, Any] | None = None,
) -> Fact:
    """What one audit entry tells; its number makes it one and the same."""
    return Fact(
        kind=kind,
        key=f"audit:{entry.seq}:{event or entry.action}",
        event=entry.action if event is None else event,
        title=title,
        text=text,
        link=link,
        subject=entry.object_id,
        ordered_by=str(ordered_by),
        persons=frozenset(persons),
        data={"by": entry.actor_name, "at": entry.at, **(data or {})},
    )


def actor_of(entry: AuditEntry) -> UUID | None:
    """The person who did it; None for Slipway and keys."""
    if entry.actor_kind != ActorKind.PERSON or not entry.actor_id:
        return None
    return UUID(entry.actor_id)
