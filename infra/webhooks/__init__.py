"""Messages to others, signed as Standard Webhooks asks, tried again until they arrive.

A message is a row before it is sent, so none is lost; a call is made outside every transaction,
and each is kept. The id stays the same in every attempt, so a receiver can tell a repeat. Messages
about one checkpoint reach an endpoint in the order in which things happened: while one is on its
way, later ones wait behind it.
"""

from __future__ import annotations

import base64
import json
import secrets
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Count, Exists, Max, Model, OuterRef, Q, QuerySet

from infra import audit, clock
from infra.actors import Actor
from infra.delivery_states import DELIVERY_TRANSITIONS, DeliveryState
from infra.errors import InvalidInput, InvalidMove, NotFound
from infra.lifecycles import check_move
from infra.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from infra.roles import Role
from infra.webhooks.calling import Answer, call, check_url, signer

KEEPERS = (Role.RELEASE_MANAGER, Role.EVAL_OWNER)
# Seconds until the next attempt, as Standard Webhooks proposes: 5 s to a day, then it has failed.
WAITS_S = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
# Whoever claimed a delivery has this long for its call; a killed one is tried again after it.
CLAIM = timedelta(seconds=60)
AT_ONCE = 20
# Other tasks wait for this worker.
BUDGET_S = 10.0
TEST_EVENT = "webhook.test"


def add_endpoint(*, actor: Actor, name: str, url: str, secret_ref: str) -> WebhookEndpoint:
    """An address that is told from now on; the secret stays where `secret_ref` points."""
    actor.must("add webhook endpoints", *KEEPERS)
    check_url(url)
    if not secret_ref:
        raise InvalidInput("secret_missing", "Name the secret that signs: env:NAME or file:/path.")
    signer(secret_ref)
    if WebhookEndpoint.objects.filter(name=name).exists():
        raise InvalidInput("name_taken", f"There is an endpoint {name!r}: choose another name.")
    with transaction.atomic():
        made = WebhookEndpoint.objects.create(
            name=name,
            url=url,
            secret_ref=secret_ref,
            created_by=actor.name,
            created_at=clock.now(),
        )
        audit.record(
            actor=actor, action="webhook.added", subject=made, after={"url": url, "name": name}
        )
    return made


def enable_endpoint(
    *, actor: Actor, endpoint: WebhookEndpoint, enabled: bool, reason: str
) -> WebhookEndpoint:
    """Tell the address again, or no longer; what waits for a disabled one fails, and is kept."""
    actor.must("change webhook endpoints", *KEEPERS)
    if not reason.strip():
        raise InvalidInput("reason_missing", "Say why the endpoint is changed.")
    with transaction.atomic():
        row = WebhookEndpoint.objects.select_for_update().get(pk=endpoint.pk)
        row.is_enabled = enabled
        row.save(update_fields=["is_enabled"])
        action = "webhook.enabled" if enabled else "webhook.disabled"
        audit.record(actor=actor, action=action, subject=row, reason=reason)
    return row


def tell(*, event: str, subject: Model | str, data: Mapping[str, Any], ordered_by: str = "") -> int:
    """A delivery to every enabled endpoint, in the caller's transaction; how many.

    `ordered_by`: id of the checkpoint it is about; an endpoint gets those in their order.
    """
    now = clock.now()
    body = json.dumps({"type": event, "timestamp": now.isoformat(), "data": data}, default=str)
    made = [
        WebhookDelivery(
            endpoint=endpoint,
            event=event,
            subject=subject if isinstance(subject, str) else str(subject.pk),
            ordered_by=ordered_by,
            body=body,
            next_attempt_at=now,
            created_at=now,
        )
        for endpoint in WebhookEndpoint.objects.filter(is_enabled=True)
    ]
    return len(WebhookDelivery.objects.bulk_create(made))


def is_new(*, event: str, subject: str) -> bool:
    """Whether somebody listens who was told nothing of it yet."""
    is_told = WebhookDelivery.objects.filter(event=event, subject=subject).exists()
    return not is_told and WebhookEndpoint.objects.filter(is_enabled=True).exists()


def send_again(*, actor: Actor, delivery: WebhookDelivery, reason: str) -> WebhookDelivery:
    """The same message, under the same id, from the first wait on."""
    actor.must("send webhooks again", *KEEPERS)
    if not reason.strip():
        raise InvalidInput("reason_missing", "Say why it is sent again.")
    with transaction.atomic():
        row = WebhookDelivery.objects.select_for_update(of=("self",)).get(pk=delivery.pk)
        _move(row, DeliveryState.PENDING)
        row.n_attempts, row.next_attempt_at, row.delivered_at = 0, clock.now(), None
        row.save(update_fields=["state", "n_attempts", "next_attempt_at", "delivered_at"])
        audit.record(actor=actor, action="webhook.sent_again", subject=row, reason=reason)
    return row


def deliver_due() -> int:
    """Send what is due, each by one worker at a time; the number that arrived."""
    began, n_arrived = time.monotonic(), 0
    for _ in range(AT_ONCE):
        delivery = _claim() if time.monotonic() - began < BUDGET_S else None
        if delivery is None:
            break
        n_arrived += _attempt(delivery)
    return n_arrived


def send_test(*, actor: Actor, endpoint: WebhookEndpoint) -> WebhookDelivery:
    """One signed message now, tried once; its attempt says what came of it."""
    actor.must("send test calls", *KEEPERS)
    if not endpoint.is_enabled:
        message = f"The endpoint {endpoint.name} is disabled: enable it before a test call."
        raise InvalidMove("endpoint_disabled", message)
    now = clock.now()
    body = {"type": TEST_EVENT, "timestamp": now.isoformat(), "data": {"endpoint": endpoint.name}}
    with transaction.atomic():
        made = WebhookDelivery.objects.create(
            endpoint=endpoint,
            event=TEST_EVENT,
            subject=str(endpoint.pk),
            body=json.dumps(body),
            next_attempt_at=now + CLAIM,
            created_at=now,
        )
        audit.record(actor=actor, action="webhook.tested", subject=endpoint)
    _attempt(made)
    return delivery_with_id(made.pk)


def new_secret() -> str:
    """A secret of 32 random bytes as Standard Webhooks writes it; kept nowhere."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def delivery_with_id(delivery_id: object) -> WebhookDelivery:
    """That delivery; NotFound."""
    found = deliveries().filter(pk=delivery_id).first()
    if found is None:
        raise NotFound("no_such_delivery", f"There is no webhook delivery {delivery_id}.")
    return found


def endpoint_named(name: str) -> WebhookEndpoint:
    """That endpoint; NotFound."""
    found = WebhookEndpoint.objects.filter(name=name).first()
    if found is None:
        raise NotFound("no_such_endpoint", f"There is no webhook endpoint {name!r}.")
    return found


def deliveries(subject: str = "", endpoint: str = "", state: str = "") -> QuerySet[WebhookDelivery]:
    """Newest first, with their attempts; of one subject, endpoint (its name) or state if given."""
    found = WebhookDelivery.objects.select_related("endpoint").prefetch_related("attempts")
    wanted = {"subject": subject, "endpoint__name": endpoint, "state": state}
    return found.filter(**{name: value for name, value in wanted.items() if value})


def endpoints() -> QuerySet[WebhookEndpoint]:
    """Every address with `n_pending` and `n_failed` of its messages, and `delivered_at`, the last
    time that one arrived."""
    return WebhookEndpoint.objects.annotate(
        n_pending=Count("deliveries", filter=Q(deliveries__state=DeliveryState.PENDING.value)),
        n_failed=Count("deliveries", filter=Q(deliveries__state=DeliveryState.FAILED.value)),
        delivered_at=Max("deliveries__delivered_at"),
    ).order_by("name")


def waits_behind(delivery: WebhookDelivery) -> WebhookDelivery | None:
    """The earlier message about the same checkpoint that this one waits for."""
    if not delivery.ordered_by or delivery.state != DeliveryState.PENDING.value:
        return None
    earlier = Q(created_at__lt=delivery.created_at) | Q(
        created_at=delivery.created_at, pk__lt=delivery.pk
    )
    return (
        WebhookDelivery.objects.filter(
            earlier,
            endpoint=delivery.endpoint_id,
            ordered_by=delivery.ordered_by,
            state=DeliveryState.PENDING.value,
        )
        .order_by("created_at", "pk")
        .first()
    )


def _claim() -> WebhookDelivery | None:
    now = clock.now()
    with transaction.atomic():
        row = (
            WebhookDelivery.objects.select_for_update(skip_locked=True, of=("self",))
            .select_related("endpoint")
            .filter(state=DeliveryState.PENDING.value, next_attempt_at__lte=now)
            .exclude(_is_behind())
            .order_by("next_attempt_at", "created_at", "pk")
            .first()
        )
        if row is not None:
            row.next_attempt_at = now + CLAIM
            row.save(update_fields=["next_attempt_at"])
    return row


def _is_behind() -> Exists:
    """Whether an earlier message about the same checkpoint is still on its way there."""
    earlier = Q(created_at__lt=OuterRef("created_at")) | Q(
        created_at=OuterRef("created_at"), pk__lt=OuterRef("pk")
    )
    return Exists(
        WebhookDelivery.objects.filter(
            earlier,
            endpoint=OuterRef("endpoint"),
            ordered_by=OuterRef("ordered_by"),
            state=DeliveryState.PENDING.value,
        ).exclude(ordered_by="")
    )


def _attempt(delivery: WebhookDelivery) -> bool:
    """One call of a claimed delivery, kept; whether it arrived."""
    began = time.monotonic()
    answer = call(delivery)
    _keep(delivery, answer, (time.monotonic() - began) * 1000)
    return answer.is_good


def _keep(delivery: WebhookDelivery, answer: Answer, duration_ms: float) -> None:
    now = clock.now()
    with transaction.atomic():
        WebhookAttempt.objects.create(
            delivery=delivery,
            at=now,
            status=answer.status,
            problem=answer.problem,
            duration_ms=duration_ms,
        )
        row = WebhookDelivery.objects.select_for_update(of=("self",)).get(pk=delivery.pk)
        if row.state != DeliveryState.PENDING.value:
            return
        row.n_attempts += 1
        if answer.is_good:
            _move(row, DeliveryState.DELIVERED)
            row.delivered_at, row.next_attempt_at = now, None
        elif _is_over(row, delivery.endpoint):
            _move(row, DeliveryState.FAILED)
            row.next_attempt_at = None
        else:
            row.next_attempt_at = now + timedelta(seconds=WAITS_S[row.n_attempts - 1])
        row.save(update_fields=["state", "n_attempts", "next_attempt_at", "delivered_at"])


def _is_over(row: WebhookDelivery, endpoint: WebhookEndpoint) -> bool:
    """Whether a failed attempt was the last one; a test call's first is."""
    is_test = row.event == TEST_EVENT
    return is_test or row.n_attempts > len(WAITS_S) or not endpoint.is_enabled


def _move(row: WebhookDelivery, state: DeliveryState) -> None:
    check_move(DELIVERY_TRANSITIONS, DeliveryState(row.state), state, f"The delivery {row.pk}")
    row.state = state.value
