"""Partners, findings, feedback and calls as things to find."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from uuid import UUID

from django.db.models import Q
from django.urls import reverse

from alpha.models import Feedback, Finding, Partner, UsageEvent
from alpha.selectors import month_of
from infra.search.contract import Hit, Sought
from infra.search.kinds import HitKind

# Eight digits tell the minute of a request: fewer would name thousands of calls.
_PART_OF_AN_ID = re.compile(r"[0-9a-f]{8}[0-9a-f-]{0,28}")
_KEY = re.compile(r"(?:slw_)?([0-9a-z]{6,32})(?:_.*)?")


def partners(sought: Sought) -> Iterator[Hit]:
    """By name or e-mail; also by the public part of a key, such as slw_4f…"""
    if not sought.text:
        return
    wanted = sought.by_name_or_id("name", "contact_email")
    key = _KEY.fullmatch(sought.text)
    if key:
        wanted |= Q(keys__public__startswith=key[1])
    for row in Partner.objects.filter(wanted).distinct().order_by("name")[: sought.most]:
        yield Hit(
            kind=HitKind.PARTNER,
            title=row.name,
            detail="access ended" if row.ended_at else row.contact_email,
            address=reverse("console-partner", args=[row.pk]),
        )


def findings(sought: Sought) -> Iterator[Hit]:
    """By title, checkpoint, severity or state; the newest first."""
    if not sought.text:
        return
    wanted = sought.by_name_or_id("title", "checkpoint__name", "severity", "state", "component")
    rows = Finding.objects.filter(wanted).select_related("checkpoint").order_by("-opened_at")
    for row in rows[: sought.most]:
        yield Hit(
            kind=HitKind.FINDING,
            title=row.title,
            detail=f"{row.severity}, {row.state.replace('_', ' ')}, {row.checkpoint.name}",
            address=reverse("console-finding", args=[row.pk]),
        )


def calls(sought: Sought) -> Iterator[Hit]:
    """One call by its request id, or those whose id begins so: the table's own key finds them."""
    if not _PART_OF_AN_ID.fullmatch(sought.text):
        return
    digits = sought.text.replace("-", "")
    if len(digits) > 32:
        return
    lowest, highest = UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))
    months = _months(lowest, highest)
    rows = UsageEvent.objects.filter(
        month__in=months, request_id__gte=lowest, request_id__lte=highest
    ).select_related("partner", "checkpoint")
    for row in rows.order_by("-request_id")[: sought.most] if months else ():
        yield Hit(
            kind=HitKind.CALL,
            title=str(row.request_id),
            detail=f"{row.partner.name} called {row.codename}, answered by {row.checkpoint.name}, "
            f"{row.state.replace('_', ' ')}, {row.started_at:%Y-%m-%d %H:%M} UTC",
            address=f"{reverse('console-calls')}?request_id={row.request_id}",
        )


def _months(*ends: UUID) -> set[date]:
    """The partitions that ids between the two may lie in; none for times no calendar has."""
    times = [UUID(int=end.int >> 80 << 80 | 0x7 << 76 | 0b10 << 62) for end in ends]
    try:
        return {month_of(time) for time in times}
    except (ValueError, OverflowError):
        return set()


def remarks(sought: Sought) -> Iterator[Hit]:
    """Feedback by its own id, or by that of the call it is about."""
    if sought.id is None:
        return
    wanted = Q(pk=sought.id) | Q(request_id=sought.id)
    rows = Feedback.objects.filter(wanted).select_related("partner").order_by("-received_at")
    for row in rows[: sought.most]:
        yield Hit(
            kind=HitKind.FEEDBACK,
            title=row.comment[:80] or row.label or "a vote without words",
            detail=f"{row.partner.name}, {row.received_at:%Y-%m-%d %H:%M} UTC",
            address=reverse("console-feedback-item", args=[row.pk]),
        )
