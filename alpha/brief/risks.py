"""Access that ends by itself, and findings that are open for too long."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.db.models import Q
from django.urls import reverse

from alpha.models import Finding, Grant, Key
from alpha.states import CLOSED_FINDINGS
from infra.brief.contract import Asked, Line, Tone
from releases.gates.severity import Severity

ENDS_SOON = timedelta(days=14)
# How long a finding may be open before the brief calls it overdue, by severity.
OPEN_AT_MOST = {
    Severity.CRITICAL: timedelta(days=1),
    Severity.MAJOR: timedelta(days=7),
    Severity.MINOR: timedelta(days=30),
}
MOST = 20


def risks(asked: Asked) -> list[Line]:
    """Overdue findings, then keys and grants that end within two weeks."""
    return [*_overdue(asked), *_keys(asked), *_grants(asked)]


def _overdue(asked: Asked) -> Iterator[Line]:
    late = Q(pk__in=())
    for severity, most in OPEN_AT_MOST.items():
        late |= Q(severity=severity.value, opened_at__lt=asked.now - most)
    rows = Finding.objects.filter(late).exclude(state__in=[s.value for s in CLOSED_FINDINGS])
    for row in rows.select_related("checkpoint", "owner").order_by("opened_at")[:MOST]:
        most = OPEN_AT_MOST[Severity(row.severity)].days
        yield Line(
            title=row.title,
            sentence=f"{row.severity.capitalize()} finding on {row.checkpoint.name}, open for "
            f"{(asked.now - row.opened_at).days} d where {most} d are the limit; "
            f"{row.owner or 'nobody'} sees to it.",
            address=reverse("console-finding", args=[row.pk]),
            word="overdue",
            tone=Tone.BAD if row.severity == Severity.CRITICAL else Tone.WARN,
            at=row.opened_at,
        )


def _keys(asked: Asked) -> Iterator[Line]:
    rows = Key.objects.filter(
        revoked_at=None,
        partner__ended_at=None,
        expires_at__gt=asked.now,
        expires_at__lte=asked.now + ENDS_SOON,
    )
    for row in rows.select_related("partner").order_by("expires_at")[:MOST]:
        name = f" ({row.name})" if row.name else ""
        yield Line(
            title=f"Key of {row.partner.name}",
            sentence=f"{row}{name} expires {row.expires_at:%Y-%m-%d %H:%M} UTC: issue the next one "
            "while both work.",
            address=reverse("console-partner", args=[row.partner_id]),
            word="expires",
            at=row.expires_at,
        )


def _grants(asked: Asked) -> Iterator[Line]:
    rows = Grant.objects.filter(
        revoked_at=None, ends_at__gt=asked.now, ends_at__lte=asked.now + ENDS_SOON
    )
    related = rows.select_related("partner", "cohort", "stage__pipeline").order_by("ends_at")
    for row in related[:MOST]:
        partners = reverse("console-partners")
        yield Line(
            title=f"Grant of {row.partner or row.cohort}",
            sentence=f"Access to {row.stage} ends {row.ends_at:%Y-%m-%d %H:%M} UTC.",
            address=reverse("console-partner", args=[row.partner_id])
            if row.partner_id
            else partners,
            word="ends",
            tone=Tone.INFO,
            at=row.ends_at,
        )
