"""What `alpha` does in the background."""

from __future__ import annotations

from celery import shared_task

from alpha.services import (
    batches,
    data_keys,
    feedback,
    preferences,
    reconfirmations,
    retention,
    triage,
    upkeep,
)
from infra import clock


@shared_task(name="alpha.sweep")
def sweep() -> None:
    """Bind feedback to landed calls and index it, ask reporters and take their answers.

    Erases expired text and seals the rest anew after a key's rotation, ends blind comparisons that
    nobody votes on, and makes the next months' partitions too.
    """
    feedback.bind_waiting()
    triage.index_feedback()
    reconfirmations.ask_reporters()
    reconfirmations.take_answers()
    retention.erase_expired_transcripts()
    retention.erase_expired_attachments()
    data_keys.seal_anew()
    preferences.void_abandoned()
    upkeep.ensure_partitions()


@shared_task(name="alpha.close_batches")
def close_batches() -> None:
    """Count the calls that landed, and close the batches that gates and guardrails look at."""
    batches.close_batches(clock.now())
