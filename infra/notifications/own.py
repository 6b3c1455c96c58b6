"""What no app above owns: service keys that end soon."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.urls import reverse

from infra.models import ServiceKey
from infra.notifications.kinds import Fact, Kind
from infra.notifications.outbox import persons_with
from infra.roles import Role

AHEAD = timedelta(days=14)
"""How long before its end a service key is told of."""


def ahead(now: datetime) -> Iterator[Fact]:
    """Service keys in force that end within `AHEAD`; each end is told once."""
    rows = ServiceKey.objects.filter(
        revoked_at=None, expires_at__gt=now, expires_at__lte=now + AHEAD
    )
    for key in rows.order_by("expires_at", "pk"):
        made_by = {key.created_by_id} if key.created_by_id else frozenset()
        yield Fact(
            kind=Kind.EXPIRY,
            key=f"service_key.ends:{key.pk}:{key.expires_at.isoformat()}",
            event="service_key.expiring",
            title=f"The service key {key.name} ends {key.expires_at:%Y-%m-%d}",
            text="What uses it is refused from then on: make another one before.",
            link=reverse("console-service-keys"),
            subject=str(key.pk),
            persons=persons_with(Role.RELEASE_MANAGER) | made_by,
            data={"name": key.name, "expires_at": key.expires_at},
        )
