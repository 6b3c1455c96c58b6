"""One shard from claim to done: calls in flight, results stored, the lease kept alive."""

from __future__ import annotations

import time
from uuid import UUID

from evals.runner import leases, storage
from evals.runner.concurrency import CallsInFlight
from evals.runner.leases import Lease
from evals.runner.work import ShardWork, read_work
from evals.services import runs
from infra import secrets_by_reference
from infra.errors import DomainError
from infra.inference import ChatClient, OpenAIClient

# Results are durable this long after their answer at the latest, while the database answers.
FLUSH_S = 0.1


def run_shard(shard_id: UUID) -> None:
    """Work on the shard until it is done or lost; safe to run twice and on several workers."""
    lease = leases.claim(shard_id)
    if lease is None:
        return
    try:
        work = read_work(lease)
        client = _client_of(work)
        if work.calls and not _call_and_store(lease, work, client):
            return
        if leases.finish(lease):
            runs.finish_run(run_id=lease.run_id)
    except DomainError as refusal:
        runs.fail_run(run_id=lease.run_id, problem=refusal.message)


def _client_of(work: ShardWork) -> ChatClient:
    return OpenAIClient(
        base_url=work.base_url, secret=secrets_by_reference.resolve(work.secret_ref)
    )


def _call_and_store(lease: Lease, work: ShardWork, client: ChatClient) -> bool:
    """True when every item has its result; False when the lease was lost or the run ended."""
    with CallsInFlight(work, client) as calls:
        heartbeat_at = time.monotonic() + leases.HEARTBEAT_S
        while not calls.is_over:
            rows = calls.take(FLUSH_S)
            if rows:
                storage.write_results(rows)
                if not leases.is_held(lease):
                    return False
                calls.stored(len(rows))
            if time.monotonic() >= heartbeat_at:
                if not leases.renew(lease):
                    return False
                heartbeat_at = time.monotonic() + leases.HEARTBEAT_S
    return True
