"""What Slipway itself does on a schedule."""

from __future__ import annotations

from celery import shared_task

from infra import audit, webhooks


@shared_task(name="infra.anchor_audit")
def anchor_audit() -> None:
    """Write the audit chain's head to the object store."""
    audit.anchor()


@shared_task(name="infra.deliver_webhooks")
def deliver_webhooks() -> None:
    """Send what is due to whoever is told."""
    webhooks.deliver_due()
