"""The morning's Brief: one mail a person and morning, and one webhook for all."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection, transaction

from infra import clock, webhooks
from infra.actors import Actor, system
from infra.brief.compose import brief_for
from infra.brief.contract import Brief, Line
from infra.brief.rendering import as_html, as_text, subject
from infra.models import Mail, Person, User
from infra.notifications.choices import ways_of_all
from infra.notifications.kinds import Kind, MailState, Way
from infra.notifications.outbox import address_of
from infra.people import actor_of_login
from infra.roles import Role

# A morning that nobody served is not made up for in the evening.
LATEST = timedelta(hours=4)
SINCE = timedelta(days=1)
_LOCK = 0x511B0A7B


def write_due() -> int:
    """The Briefs of this morning once it has come, each once; how many are new."""
    now = clock.now()
    day, begins = morning(now)
    if not begins <= now < begins + LATEST:
        return 0
    return write_briefs(day, now)


def morning(now: datetime) -> tuple[date, datetime]:
    """The day at the place of the Brief, and when its Brief goes out."""
    here = now.astimezone(ZoneInfo(settings.BRIEF_ZONE))
    begins = datetime.combine(here.date(), time.fromisoformat(settings.BRIEF_AT), here.tzinfo)
    return here.date(), begins


def write_briefs(day: date, now: datetime) -> int:
    """A Brief for everybody who wants one and has none of that day; how many are new."""
    n_new = 0
    for actor, person in _readers(day):
        n_new += _write(actor, person, day, now)
    _tell_programs(day)
    return n_new


def write_own(*, actor: Actor) -> Mail:
    """This person's Brief of today, now; the one that it has already where it has one."""
    now, person_id = clock.now(), actor.must_be_person("have a Brief sent")
    day, _ = morning(now)
    person = Person.objects.get(pk=person_id)
    _write(actor, person, day, now)
    return Mail.objects.get(person=person, brief_on=day)


def _readers(day: date) -> list[tuple[Actor, Person]]:
    """Persons of the team who want the Brief and have none of that day, with all their roles."""
    logins = User.objects.filter(
        is_active=True,
        is_staff=True,
        person__left_at__isnull=True,
        groups__name__in=[role.value for role in Role],
    )
    found: dict[UUID, tuple[Actor, Person]] = {}
    for login in logins.select_related("person").distinct():
        actor = actor_of_login(login)
        if login.person_id in found:
            actor = replace(actor, roles=actor.roles | found[login.person_id][0].roles)
        found[login.person_id] = actor, login.person
    ways = ways_of_all(found)
    had = set(Mail.objects.filter(brief_on=day).values_list("person_id", flat=True))
    return [
        reader
        for person_id, reader in found.items()
        if person_id not in had and ways[person_id][Kind.BRIEF] is not Way.NEVER
    ]


def _write(actor: Actor, person: Person, day: date, now: datetime) -> bool:
    """One person's Brief, with what was gathered for it; False where it has one already."""
    brief = brief_for(actor)
    with transaction.atomic():
        locked = Person.objects.select_for_update(no_key=True).get(pk=person.pk)
        if Mail.objects.filter(person=locked, brief_on=day).exists():
            return False
        gathered = Mail.objects.filter(person=locked, state=MailState.GATHERED.value)
        told = list(gathered.select_related("notification").order_by("created_at"))
        lines = [_line(row) for row in told]
        Mail.objects.create(
            person=locked,
            brief_on=day,
            address=locked.email,
            subject=subject(brief)[:300],
            text=as_text(brief, lines),
            html=as_html(brief, lines),
            state=(MailState.PENDING if settings.EMAIL_IS_ON else MailState.SILENT).value,
            next_attempt_at=now if settings.EMAIL_IS_ON else None,
            created_at=now,
        )
        gathered.filter(pk__in=[row.pk for row in told]).update(
            state=MailState.SENT.value, sent_at=now
        )
    return True


def _line(mail: Mail) -> Line:
    """A notification as a line of the Brief."""
    told = mail.notification
    assert told is not None  # noqa: S101  only copies of notifications are ever gathered
    return Line(title=told.title, sentence=told.text, address=told.link, word=told.kind, at=told.at)


def _tell_programs(day: date) -> None:
    """One webhook a morning, of what concerns everybody."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        if not webhooks.is_new(event="brief.morning", subject=str(day)):
            return
        brief = brief_for(system("brief"), clock.now() - SINCE)
        webhooks.tell(event="brief.morning", subject=str(day), data=_data(brief))


def _data(brief: Brief) -> dict[str, object]:
    return {
        "title": subject(brief),
        "text": as_text(brief),
        "html": as_html(brief),
        "url": address_of("/console/"),
        "at_risk": [f"{line.title}: {line.sentence}" for line in brief.risks],
        "next_steps": list(brief.next_steps),
        "components": {answer.value: n for answer, n in brief.counts.items()},
    }
