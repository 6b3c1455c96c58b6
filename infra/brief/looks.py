"""When a person last looked at the brief. A note for that person alone: no audit row."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Case, F, Value, When
from django.db.models.functions import Greatest

from infra.actors import Actor
from infra.models import BriefLook

# Two visits closer together than this are one look: loading the page again loses no news.
ONE_LOOK = timedelta(minutes=30)
FIRST_LOOK = timedelta(hours=24)
# What is older is history, which the audit page has.
FURTHEST = timedelta(days=14)


def since_of(actor: Actor, now: datetime) -> datetime:
    """From when on changes are news to this person, by what `remember_look` has kept."""
    kept = BriefLook.objects.filter(person=actor.person_id).first() if actor.is_person else None
    if kept is None:
        return now - FIRST_LOOK
    left = kept.looked_at if now - kept.looked_at > ONE_LOOK else kept.since
    return max(left, now - FURTHEST)


def remember_look(actor: Actor, now: datetime) -> None:
    """Note that the person looks now; keys and Slipway itself have no look to keep."""
    if actor.person_id is None:
        return
    gone = When(looked_at__lt=now - ONE_LOOK, then=F("looked_at"))
    moved = BriefLook.objects.filter(person=actor.person_id).update(
        since=Case(gone, default=F("since")), looked_at=Greatest(F("looked_at"), Value(now))
    )
    if not moved:
        # Another first look at the same moment keeps the same.
        made = BriefLook(person_id=actor.person_id, since=now - FIRST_LOOK, looked_at=now)
        BriefLook.objects.bulk_create([made], ignore_conflicts=True)
