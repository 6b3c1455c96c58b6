"""PostgreSQL triggers that hold the same rules as the Python core."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pgtrigger

ROUTING_CHANNEL = "slipway_routing"


def lifecycle(table: str, transitions: Mapping[Any, frozenset[Any]]) -> pgtrigger.FSM:
    """Forbids every move of `state` that the lifecycle's own table does not name."""
    moves = sorted((old.value, new.value) for old, news in transitions.items() for new in news)
    return pgtrigger.FSM(name=f"{table}_state_moves", field="state", transitions=moves)


def immutable(table: str) -> list[pgtrigger.Trigger]:
    """Rows that are written once: no update, no delete, no truncate."""
    return [
        pgtrigger.Protect(name=f"{table}_no_update", operation=pgtrigger.Update),
        pgtrigger.Protect(name=f"{table}_no_delete", operation=pgtrigger.Delete),
    ]


def kept(table: str) -> pgtrigger.Trigger:
    """Rows that end by a state or a date, never by deletion."""
    return pgtrigger.Protect(name=f"{table}_no_delete", operation=pgtrigger.Delete)


def changes_routing(table: str) -> pgtrigger.Trigger:
    """Tells every gateway worker that the serving table changed, when the transaction commits."""
    return pgtrigger.Trigger(
        name=f"{table}_routing",
        when=pgtrigger.After,
        level=pgtrigger.Statement,
        operation=pgtrigger.Insert | pgtrigger.Update | pgtrigger.Delete,
        func=f"PERFORM pg_notify('{ROUTING_CHANNEL}', ''); RETURN NULL;",
    )
