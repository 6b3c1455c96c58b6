"""What happened since the last look, from the audit log, in one query."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import groupby
from operator import attrgetter

from django.conf import settings
from django.db.models import Count, F, Window
from django.db.models.functions import RowNumber
from django.urls import reverse
from django.utils.module_loading import import_string

from infra.actors import Actor
from infra.brief.contract import Change, Told
from infra.models import AuditEntry

NAMED = 3


def vocabulary() -> dict[str, Told]:
    """Every action that is news, as the apps speak of it (`settings.BRIEF_VOCABULARIES`)."""
    found: dict[str, Told] = {}
    for path in settings.BRIEF_VOCABULARIES:
        found |= import_string(path)
    return found


def changes_since(since: datetime, actor: Actor) -> tuple[Change, ...]:
    """One row an action, urgent ones first, then the newest; what the actor did is no news."""
    known = vocabulary()
    news = AuditEntry.objects.filter(at__gt=since, action__in=known)
    for action, told in known.items():
        if told.but:
            news = news.exclude(action=action, object_name__startswith=told.but)
    if actor.id:
        news = news.exclude(actor_id=actor.id)
    of_action = {"partition_by": F("action")}
    place = Window(RowNumber(), order_by=F("seq").desc(), **of_action)
    counted = news.annotate(place=place, n=Window(Count("seq"), **of_action))
    rows = counted.filter(place__lte=NAMED).order_by("action", "-seq")
    by_action = groupby(rows, key=attrgetter("action"))
    found = [_change(known[action], list(entries)) for action, entries in by_action]
    return tuple(sorted(found, key=lambda one: (one.tone.rank, -one.at.timestamp())))


def _change(told: Told, entries: list[AuditEntry]) -> Change:
    newest, n = entries[0], entries[0].n  # type: ignore[attr-defined]
    single = n == 1
    return Change(
        title=told.one if single else told.many.format(n=n),
        names=_once(entry.object_name for entry in entries),
        n=n,
        n_more=n - len(entries),
        by=_once(entry.actor_name for entry in entries),
        reason=newest.reason if single else "",
        address=_address(told, newest) if single else reverse(told.page),
        at=newest.at,
        tone=told.tone,
    )


def _once(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _address(told: Told, entry: AuditEntry) -> str:
    if not told.detail:
        return reverse(told.page)
    return reverse(told.detail, args=[entry.object_id])
