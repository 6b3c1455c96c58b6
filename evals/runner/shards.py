"""One shard from claim to done: calls in flight, results stored, the lease kept alive."""

from __future__ import annotations

import time
from uuid import UUID

from evals.runner import leases, storage
from evals.runner.concurrency import CallsInFlight
from evals.runner.leases import Lease
from evals.runner.limits import Limits, limits_of
from evals.runner.regrading import StoredAnswers
from evals.runner.skipping import skip_the_rest
from evals.runner.work import ShardWork, read_work
from evals.selectors.runs import run_with_id
from evals.services import runs
from infra import secrets_by_reference
from infra.errors import DomainError
from infra.inference import ChatClient, RetryPolicy, chat_client

# Results are durable this long after their answer at the latest, while the database answers.
FLUSH_S = 0.1


def run_shard(shard_id: UUID) -> None:
    """Work on the shard until it is done or lost; safe to run twice and on several workers."""
    lease = leases.claim(shard_id)
    if lease is None:
        return
    try:
        work = read_work(lease)
        limits = limits_of(run_with_id(lease.run_id))
        if work.calls and not _call_and_store(lease, work, _client_of(work), limits):
            return
        if limits.is_paused:
            leases.release(lease)
            return
        if limits.because and not skip_the_rest(lease, limits.because):
            return
        if leases.finish(lease):
            runs.finish_run(run_id=lease.run_id)
    except DomainError as refusal:
        runs.fail_run(run_id=lease.run_id, problem=refusal.message)


def _client_of(work: ShardWork) -> ChatClient:
    """A suite that says how long an answer may take wants no second one after it."""
    if work.regraded_from is not None:
        return StoredAnswers(work.regraded_from)
    secret, limit_s = secrets_by_reference.resolve(work.secret_ref), work.policy.request_timeout_s
    if limit_s is None:
        return chat_client(base_url=work.base_url, secret=secret)
    retry = RetryPolicy(again_after_timeout=False)
    return chat_client(base_url=work.base_url, secret=secret, timeout_s=limit_s, retry=retry)


def _call_and_store(lease: Lease, work: ShardWork, client: ChatClient, limits: Limits) -> bool:
    """True when all that the limits admit is recorded; False when the lease or the run is over."""
    with CallsInFlight(work, client, limits) as calls:
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
                limits.look(lease.run_id)
                heartbeat_at = time.monotonic() + leases.HEARTBEAT_S
    return True
