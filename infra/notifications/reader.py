"""Turns the audit log into notifications, each entry once and in order.

Entries commit in the order of their numbers (the chain's lock sees to it), so a cursor misses
none. The cursor moves in the transaction that writes what the entries told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.utils.module_loading import import_string

from infra import clock
from infra.models import AuditEntry, AuditReader
from infra.notifications.kinds import Fact
from infra.notifications.outbox import post_all

NAME = "notifications"
AT_ONCE = 500
_OfEntry = Callable[[AuditEntry], Iterable[Fact]]
_OfNow = Callable[[datetime], Iterable[Fact]]


def read_on() -> int:
    """Tell what was recorded since the last look; how much. Nothing while another one reads."""
    _begin()
    with transaction.atomic():
        rows = AuditReader.objects.select_for_update(skip_locked=True)
        cursor = rows.filter(name=NAME).first()
        if cursor is None:
            return 0
        entries = list(AuditEntry.objects.filter(seq__gt=cursor.seq).order_by("seq")[:AT_ONCE])
        if not entries:
            return 0
        n_told = post_all(_facts_of(entries))
        cursor.seq = entries[-1].seq
        cursor.save(update_fields=["seq"])
    return n_told


def look_ahead() -> int:
    """Tell what is about to end, and what waits for somebody by itself; how much is new."""
    now = clock.now()
    makers: list[_OfNow] = [import_string(path) for path in settings.LOOK_AHEAD_SOURCES]
    return post_all(fact for make in makers for fact in make(now))


def n_unread() -> int:
    """Audit entries that nobody was told of yet."""
    seq = AuditReader.objects.filter(name=NAME).values_list("seq", flat=True).first()
    return AuditEntry.objects.filter(seq__gt=seq).count() if seq is not None else 0


def _begin() -> None:
    """What happened before the first look is told to nobody."""
    if AuditReader.objects.filter(name=NAME).exists():
        return
    last = AuditEntry.objects.order_by("-seq").values_list("seq", flat=True).first() or 0
    AuditReader.objects.get_or_create(name=NAME, defaults={"seq": last})


def _facts_of(entries: Iterable[AuditEntry]) -> Iterator[Fact]:
    makers: list[_OfEntry] = [import_string(path) for path in settings.NOTIFICATION_SOURCES]
    for entry in entries:
        for make in makers:
            yield from make(entry)
