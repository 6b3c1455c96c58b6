"""What Slipway itself does on a schedule."""

from __future__ import annotations

from celery import shared_task

from infra import audit, lockouts, webhooks
from infra.notifications import mailing, morning, reader


@shared_task(name="infra.anchor_audit")
def anchor_audit() -> None:
    """Write the audit chain's head to the object store."""
    audit.anchor()


@shared_task(name="infra.deliver_webhooks")
def deliver_webhooks() -> None:
    """Send what is due to whoever is told."""
    webhooks.deliver_due()


@shared_task(name="infra.notify")
def notify() -> None:
    """Tell people what was recorded since the last look, and send what is due."""
    reader.read_on()
    mailing.send_due()


@shared_task(name="infra.look_ahead")
def look_ahead() -> None:
    """Tell people what ends soon."""
    reader.look_ahead()


@shared_task(name="infra.drop_sign_in_failures")
def drop_sign_in_failures() -> None:
    """Forget failed sign-ins whose window is over."""
    lockouts.drop_old()


@shared_task(name="infra.write_briefs")
def write_briefs() -> None:
    """Write the morning's Brief to everybody who wants it."""
    morning.write_due()
