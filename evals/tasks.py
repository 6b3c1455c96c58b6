"""What `evals` does in the background."""

from __future__ import annotations

from uuid import UUID

from celery import shared_task

from evals.runner import leases, shards


@shared_task(name="evals.run_shard")
def run_shard(shard_id: str) -> None:
    """Call, grade and store one shard of a run."""
    shards.run_shard(UUID(shard_id))


@shared_task(name="evals.sweep")
def sweep() -> None:
    """Find what a lost message or a killed worker left behind."""
    leases.sweep()
