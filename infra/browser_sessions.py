"""Where a login is signed in: device, address, when it was last seen, and how that is ended."""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta

from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db import transaction
from django.http import HttpRequest

from infra import audit, clock
from infra.actors import Actor
from infra.errors import NotFound, NotPermitted
from infra.models import User

# `last seen` is written at most so often for a session, by each server.
SEEN_EVERY = timedelta(seconds=60)
_MOST_KEPT = 10_000
_seen: OrderedDict[str, datetime] = OrderedDict()

_BROWSERS = (("Edg", "Edge"), ("OPR", "Opera"), ("Firefox", "Firefox"), ("Chrome", "Chrome"))
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Macintosh", "macOS"),
    ("Linux", "Linux"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowserSession:
    """One place where a login is signed in."""

    id: int
    device: str
    address: str
    began_at: datetime
    last_seen_at: datetime
    is_this_one: bool


def sessions_of(login: User, this_key: str | None) -> list[BrowserSession]:
    """The sessions that still live, the one that asks first, then by when they were seen."""
    living = Session.objects.filter(expire_date__gt=clock.now()).values("session_key")
    rows = UserSession.objects.filter(user=login, session_key__in=living)
    found = [
        BrowserSession(
            id=row.pk,
            device=device_of(row.user_agent),
            address=row.ip,
            began_at=row.created_at,
            last_seen_at=row.last_seen_at,
            is_this_one=row.session_key == this_key,
        )
        for row in rows.order_by("-last_seen_at")
    ]
    return sorted(found, key=lambda session: not session.is_this_one)


def device_of(user_agent: str) -> str:
    """The browser and the system in words: "Firefox on Windows"; the first word of another one."""
    browser = next((name for mark, name in _BROWSERS if f"{mark}/" in user_agent), "")
    if not browser and "Safari/" in user_agent:
        browser = "Safari"
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), "")
    if browser:
        return f"{browser} on {system}" if system else browser
    named = re.match(r"[\w.\-]+", user_agent)
    return named.group()[:40] if named else "an unknown device"


def end_session(*, actor: Actor, login: User, session_id: int) -> str:
    """Sign out there: the next request of that session is a stranger's. Which one it was."""
    return _end(actor, login, UserSession.objects.filter(user=login, pk=session_id))


def end_other_sessions(*, actor: Actor, login: User, this_key: str | None) -> str:
    """Sign out everywhere but here; NotFound when there is no other place."""
    return _end(actor, login, UserSession.objects.filter(user=login).exclude(session_key=this_key))


def _end(actor: Actor, login: User, rows: object) -> str:
    if actor.person_id is None or actor.person_id != login.person_id:
        message = f"{actor.name} can't sign {login.username} out: only they can."
        raise NotPermitted("not_your_login", message)
    with transaction.atomic():
        found = list(rows.select_for_update())  # type: ignore[attr-defined]
        if not found:
            raise NotFound("no_such_session", "There is no such session: it has ended already.")
        keys = [row.session_key for row in found]
        Session.objects.filter(session_key__in=keys).delete()
        UserSession.objects.filter(pk__in=[row.pk for row in found]).delete()
        ended = ", ".join(sorted({device_of(row.user_agent) for row in found}))
        after = {"n_sessions": len(found), "devices": ended}
        audit.record(actor=actor, action="session.ended", subject=login, after=after)
    return ended


def note_seen(request: HttpRequest) -> None:
    """Write when and from where a session was last seen, at most every `SEEN_EVERY`."""
    key, now = request.session.session_key, clock.now()
    if key is None or not _is_due(key, now):
        return
    rows = UserSession.objects.filter(session_key=key)
    if not rows.update(last_seen_at=now, ip=request.META.get("REMOTE_ADDR") or "0.0.0.0"):  # noqa: S104
        # The key changes with the password.
        UserSession.objects.create_from_request(request)


def _is_due(key: str, now: datetime) -> bool:
    """True when a session is seen again after a while; its beginning was written at sign-in."""
    before = _seen.get(key)
    if before is not None and now - before < SEEN_EVERY:
        return False
    _seen[key] = now
    _seen.move_to_end(key)
    while len(_seen) > _MOST_KEPT:
        _seen.popitem(last=False)
    return before is not None
