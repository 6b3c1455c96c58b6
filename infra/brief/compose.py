"""The one selector of the brief: page, API, command line and e-mail all ask here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from django.conf import settings
from django.utils.module_loading import import_string

from infra import clock
from infra.actors import Actor
from infra.brief.changes import changes_since
from infra.brief.contract import Asked, Brief, Line, Part
from infra.brief.looks import FURTHEST, since_of
from infra.errors import InvalidInput
from infra.people import actor_named


def brief_of(login: str, since: datetime | None = None) -> Brief:
    """The brief of the person behind an active login; NotFound says which logins exist."""
    return brief_for(actor_named(login), since)


def brief_for(actor: Actor, since: datetime | None = None) -> Brief:
    """The brief of an actor since its last look, or since a moment of the last 14 days.

    Nothing is written: that somebody looked is for the page to say (`looks.remember_look`).
    """
    now = clock.now()
    asked = Asked(actor=actor, since=_since(actor, since, now), now=now)
    makers: list[Callable[[Asked], Part]] = [import_string(p) for p in settings.BRIEF_SECTIONS]
    parts = [make(asked) for make in makers]
    return Brief(
        name=actor.name,
        made_at=now,
        since=asked.since,
        waits=_in_order(line for part in parts for line in part.waits),
        risks=_in_order(line for part in parts for line in part.risks),
        changes=changes_since(asked.since, actor),
        nights=tuple(night for part in parts for night in part.nights),
        next_steps=tuple(step for part in parts for step in part.next_steps),
        traffic=tuple(row for part in parts for row in part.traffic),
    )


def _since(actor: Actor, since: datetime | None, now: datetime) -> datetime:
    if since is None:
        return since_of(actor, now)
    if since > now:
        raise InvalidInput("since_ahead", f"{since.isoformat()} is still ahead: name a past one.")
    return max(since, now - FURTHEST)


def _in_order(lines: Iterable[Line]) -> tuple[Line, ...]:
    """The urgent first; among equals what has waited longest, or happens soonest."""
    return tuple(
        sorted(
            lines, key=lambda one: (one.tone.rank, one.at is None, one.at and one.at.timestamp())
        )
    )
