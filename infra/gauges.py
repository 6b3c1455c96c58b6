"""Numbers of the outbox, the webhooks, the audit log's readers and the queues."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from django.conf import settings
from django.db.models import Min, Model
from redis import Redis
from redis.exceptions import RedisError

from infra.delivery_states import DeliveryState
from infra.exposition import Gauge, by, counted, one, seconds_since
from infra.models import AuditReader, Mail, WebhookDelivery
from infra.notifications import reader
from infra.notifications.kinds import MailState

QUEUES = ("celery", "runs")
TIMEOUT_S = 2.0
_OUTGOING: tuple[tuple[type[Model], str, str, tuple[str, str]], ...] = (
    (Mail, "mail", "Mails", (MailState.PENDING.value, MailState.FAILED.value)),
    (
        WebhookDelivery,
        "webhook_message",
        "Webhook messages",
        (DeliveryState.PENDING.value, DeliveryState.FAILED.value),
    ),
)


def gauges(now: datetime) -> Iterator[Gauge]:
    """In as many queries however much is waiting."""
    for model, name, what, states in _OUTGOING:
        rows = model._default_manager.filter(state__in=states)
        told = f"{what} that are on their way, or given up."
        yield by(f"{name}s", told, "state", counted(rows, "state"), states)
        oldest = rows.filter(state=states[0]).aggregate(at=Min("created_at"))["at"]
        told = f"Age of the oldest of the {what.lower()} on their way."
        yield one(f"{name}_oldest_seconds", told, seconds_since(oldest, now))
    yield one(
        "notifications_unread_entries",
        "Audit entries that nobody was told of yet.",
        reader.n_unread() if AuditReader.objects.exists() else 0,
    )
    depths = _depths()
    yield by(
        "queue_tasks", "Tasks that wait for a worker; NaN without Valkey.", "queue", depths, QUEUES
    )


def _depths() -> dict[str, float]:
    """Tasks by queue."""
    try:
        with Redis.from_url(
            settings.REDIS_URL, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S
        ) as valkey:
            return {queue: float(valkey.llen(queue)) for queue in QUEUES}
    except (RedisError, OSError):
        return dict.fromkeys(QUEUES, float("nan"))
