"""Numbers of partners' traffic and what waits of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from alpha.models import Feedback, Grant, Key, UsageEvent
from alpha.states import FeedbackState
from infra.exposition import Gauge, one
from infra.ids import created_at

SOON = timedelta(days=14)


def gauges(now: datetime) -> Iterator[Gauge]:
    """In a constant number of queries, each along an index."""
    months = sorted({now.date().replace(day=1), (now - timedelta(days=31)).date().replace(day=1)})
    ids = UsageEvent.objects.filter(month__in=months).order_by("-request_id")
    newest = ids.values_list("request_id", flat=True).first()
    yield one(
        "usage_newest_event_timestamp_seconds",
        "When the newest call began that has reached PostgreSQL; NaN without one.",
        created_at(newest).timestamp() if newest else float("nan"),
    )
    unread = Feedback.objects.filter(state=FeedbackState.NEW.value).count()
    yield one("feedback_new", "Remarks that nobody has looked at.", unread)
    keys = Key.objects.filter(revoked_at=None, expires_at__gt=now, expires_at__lte=now + SOON)
    yield one("keys_ending", "Partners' keys that end within 14 days.", keys.count())
    grants = Grant.objects.filter(revoked_at=None, ends_at__gt=now, ends_at__lte=now + SOON)
    yield one("grants_ending", "Grants that end within 14 days.", grants.count())
