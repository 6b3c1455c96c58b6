"""Service keys that expire soon: what they serve stops without a word."""

from __future__ import annotations

from datetime import timedelta

from django.urls import reverse

from infra.brief.contract import Asked, Line, Part, Told, Tone, Vocabulary
from infra.models import ServiceKey

ENDS_SOON = timedelta(days=14)

VOCABULARY: Vocabulary = {
    "service_key.made": Told(
        one="A service key was made",
        many="{n} service keys were made",
        page="console-service-keys",
    ),
    "service_key.revoked": Told(
        one="A service key was revoked",
        many="{n} service keys were revoked",
        page="console-service-keys",
        tone=Tone.WARN,
    ),
}


def part(asked: Asked) -> Part:
    """Keys in force that end within two weeks."""
    rows = ServiceKey.objects.filter(
        revoked_at=None, expires_at__gt=asked.now, expires_at__lte=asked.now + ENDS_SOON
    )
    lines = [
        Line(
            title=f"Service key {row.name}",
            sentence=f"It expires {row.expires_at:%Y-%m-%d %H:%M} UTC: make the next one first.",
            address=reverse("console-service-keys"),
            word="expires",
            at=row.expires_at,
        )
        for row in rows.order_by("expires_at")
    ]
    return Part(risks=lines)
