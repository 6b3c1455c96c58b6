"""What Slipway itself does on a schedule."""

from __future__ import annotations

from celery import shared_task

from infra import audit


@shared_task(name="infra.anchor_audit")
def anchor_audit() -> None:
    """Write the audit chain's head to the object store."""
    audit.anchor()
