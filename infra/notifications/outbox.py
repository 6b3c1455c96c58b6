"""Writes what is to be told, in the transaction of whoever tells it; sending comes later."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.template.loader import render_to_string

from infra import clock, webhooks
from infra.models import Mail, Notification, Person, User
from infra.notifications.choices import ways_of_all
from infra.notifications.kinds import Fact, MailState, Way
from infra.roles import Role

KEY_CHARACTERS = 200
STATE_BY_WAY = {
    Way.AT_ONCE: MailState.PENDING,
    Way.IN_BRIEF: MailState.GATHERED,
    Way.NEVER: MailState.SILENT,
}


def post_all(facts: Iterable[Fact]) -> int:
    """Write each that was not told before; how many."""
    return sum(post(fact) is not None for fact in facts)


def post(fact: Fact) -> Notification | None:
    """A notification with a copy for each of its persons and a webhook; None when it was told."""
    key = _short(fact.key)
    if Notification.objects.filter(key=key).exists():
        return None
    now = clock.now()
    with transaction.atomic():
        made, is_new = Notification.objects.get_or_create(
            key=key,
            defaults={
                "kind": fact.kind.value,
                "event": fact.event,
                "title": fact.title[:300],
                "text": fact.text,
                "link": fact.link[:300],
                "subject": fact.subject,
                "at": now,
            },
        )
        if not is_new:
            return None
        Mail.objects.bulk_create(_copies(made, fact, now))
        if fact.event:
            _tell_programs(made, fact)
    return made


def persons_with(*roles: Role) -> frozenset[UUID]:
    """Persons who hold one of the roles by a login in use, and have not left."""
    wanted = [role.value for role in roles]
    logins = User.objects.filter(
        groups__name__in=wanted, is_active=True, person__left_at__isnull=True
    )
    return frozenset(logins.values_list("person_id", flat=True))


def address_of(path: str) -> str:
    """The whole address of a path of the console."""
    return settings.BASE_URL.rstrip("/") + path


def told_to(person_id: UUID) -> QuerySet[Mail]:
    """What a person was told, newest first; Briefs are not among it."""
    mine = Mail.objects.filter(person=person_id, notification__isnull=False)
    return mine.select_related("notification").order_by("-created_at", "-id")


def _copies(made: Notification, fact: Fact, now: datetime) -> list[Mail]:
    persons = list(Person.objects.filter(pk__in=fact.persons, left_at__isnull=True).order_by("pk"))
    ways = ways_of_all([person.pk for person in persons])
    text, html = _written(made) if persons else ("", "")
    return [_copy(made, person, ways[person.pk][fact.kind], text, html, now) for person in persons]


def _copy(
    made: Notification, person: Person, way: Way, text: str, html: str, now: datetime
) -> Mail:
    # Without a way to send, nothing may wait as if it were on its way.
    state = STATE_BY_WAY[way] if settings.EMAIL_IS_ON else MailState.SILENT
    return Mail(
        person=person,
        notification=made,
        address=person.email,
        subject=made.title,
        text=text,
        html=html,
        state=state.value,
        next_attempt_at=now if state is MailState.PENDING else None,
        created_at=now,
    )


def _written(made: Notification) -> tuple[str, str]:
    """The plain part and the HTML part."""
    content = {"told": made, "address": address_of(made.link), "base": address_of("")}
    return (
        render_to_string("mail/notification.txt", content),
        render_to_string("mail/notification.html", content),
    )


def _tell_programs(made: Notification, fact: Fact) -> None:
    said = {"title": fact.title, "text": fact.text, "url": address_of(fact.link)}
    webhooks.tell(
        event=fact.event,
        subject=fact.subject,
        data={"notification": str(made.pk), "kind": fact.kind.value, **said, **fact.data},
        ordered_by=fact.ordered_by,
    )


def _short(key: str) -> str:
    """The key itself, or one of its digest where it is too long for the column."""
    if len(key) <= KEY_CHARACTERS:
        return key
    digest = hashlib.sha256(key.encode()).hexdigest()
    return f"{key[:100]}:{digest}"


def persons_among(ids: Collection[UUID | str | None]) -> frozenset[UUID]:
    """Those ids that are persons, whatever text or None is among them."""
    known = {str(found) for found in ids if found}
    return frozenset(Person.objects.filter(pk__in=known).values_list("pk", flat=True))
