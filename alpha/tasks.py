"""What `alpha` does in the background."""

from __future__ import annotations

from celery import shared_task

from alpha.services import feedback, retention, upkeep


@shared_task(name="alpha.sweep")
def sweep() -> None:
    """Bind feedback to landed calls, erase expired text, make the next months' partitions."""
    feedback.bind_waiting()
    retention.erase_expired_transcripts()
    upkeep.ensure_partitions()
