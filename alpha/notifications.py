"""What `alpha` has to tell: keys and grants that end soon."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.urls import reverse

from alpha.models import Grant, Key
from infra.notifications.kinds import Fact, Kind
from infra.notifications.outbox import persons_with
from infra.roles import Role

AHEAD = timedelta(days=14)
"""How long before the end people are told: a partner needs days to change a key."""


def ahead(now: datetime) -> Iterator[Fact]:
    """Keys and grants in force that end within `AHEAD`; each end is told once."""
    keepers = persons_with(Role.PARTNER_MANAGER)
    soon = now + AHEAD
    keys = Key.objects.filter(
        revoked_at=None, expires_at__gt=now, expires_at__lte=soon, partner__ended_at=None
    )
    for key in keys.select_related("partner").order_by("expires_at", "pk"):
        yield Fact(
            kind=Kind.EXPIRY,
            key=f"key.ends:{key.pk}:{key.expires_at.isoformat()}",
            event="key.expiring",
            title=f"The key {key} of {key.partner} ends {key.expires_at:%Y-%m-%d}",
            text="Its calls are refused from then on: issue another key before.",
            link=reverse("console-partner", args=[key.partner_id]),
            subject=str(key.pk),
            persons=keepers,
            data={"partner": key.partner.name, "expires_at": key.expires_at},
        )
    grants = Grant.objects.filter(revoked_at=None, ends_at__gt=now, ends_at__lte=soon)
    related = grants.select_related("partner", "cohort", "stage__pipeline")
    for grant in related.order_by("ends_at", "pk"):
        where = reverse("console-partners")
        if grant.partner_id is not None:
            where = reverse("console-partner", args=[grant.partner_id])
        yield Fact(
            kind=Kind.EXPIRY,
            key=f"grant.ends:{grant.pk}:{grant.ends_at.isoformat()}",
            event="grant.expiring",
            title=f"The grant of {grant} ends {grant.ends_at:%Y-%m-%d}",
            text="From then on its calls are answered 404: prolong it, or tell the partner.",
            link=where,
            subject=str(grant.pk),
            persons=keepers,
            data={"grantee": str(grant.partner or grant.cohort), "ends_at": grant.ends_at},
        )
