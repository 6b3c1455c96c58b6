"""What `alpha` does in the background."""

from __future__ import annotations

from celery import shared_task

from alpha.services import feedback, upkeep


@shared_task(name="alpha.sweep")
def sweep() -> None:
    """Bind feedback to calls that have landed; keep the usage table's partitions ahead."""
    feedback.bind_waiting()
    upkeep.ensure_partitions()
