"""One shard from claim to done: calls in flight, results stored, the lease kept alive."""

from __future__ import annotations

import time
from dataclasses import replace
from uuid import UUID

from django.conf import settings

from evals.runner import leases, leftovers
from evals.runner.concurrency import CallsInFlight
from evals.runner.durable import AWAY, DurableResults
from evals.runner.leases import Lease
from evals.runner.limits import Limits, limits_of
from evals.runner.pace import Paces
from evals.runner.regrading import StoredAnswers
from evals.runner.replaying import RecordedReplies, ReplayClient
from evals.runner.skipping import skip_the_rest
from evals.runner.work import ShardWork, read_work
from evals.selectors.runs import run_with_id
from evals.services import runs
from infra import secrets_by_reference
from infra.errors import DomainError
from infra.inference import ChatClient, RetryPolicy, chat_client

# Results are durable this long after their answer at the latest.
FLUSH_S = 0.1


def run_shard(shard_id: UUID) -> None:
    """Work on the shard until it is done or lost; safe to run twice and on several workers."""
    lease = leases.claim(shard_id)
    if lease is None:
        return
    try:
        # What killed workers left on this disk was answered already; the sweep runs elsewhere.
        leftovers.clear()
        work = read_work(lease)
        limits = limits_of(run_with_id(lease.run_id))
        if work.calls and not _call_and_store(lease, work, limits):
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


def _client_of(work: ShardWork, paces: Paces) -> ChatClient:
    """A suite that says how long an answer may take wants no second one after it."""
    if work.regraded_from is not None:
        return StoredAnswers(work.regraded_from)
    if work.only_recorded:
        return RecordedReplies()
    secret, limit_s = secrets_by_reference.resolve(work.secret_ref), work.policy.request_timeout_s
    retry = RetryPolicy(again_after_timeout=limit_s is None, outlasts_throttling=True)
    if work.max_retries is not None:
        retry = replace(retry, most_calls=1 + work.max_retries, outlasts_throttling=False)
    limits = {} if limit_s is None else {"timeout_s": limit_s}
    pace = paces.of(work.base_url)
    client = chat_client(base_url=work.base_url, secret=secret, retry=retry, pace=pace, **limits)
    return ReplayClient(client) if work.replays else client


def _call_and_store(lease: Lease, work: ShardWork, limits: Limits) -> bool:
    """True when all that the limits admit is recorded; False when the lease or the run is over."""
    with (
        Paces(redis_url=settings.REDIS_URL, own=work.concurrency) as paces,
        DurableResults(lease.run_id) as results,
        CallsInFlight(work, _client_of(work, paces), limits, paces) as calls,
    ):
        watch = _Watch(lease, limits, paces)
        while not (calls.is_over and results.comes_back()):
            paces.look()
            rows = calls.take(FLUSH_S)
            if rows:
                results.keep(rows)
                calls.stored(len(rows))
            if not results.comes_back():
                continue
            try:
                if not watch.goes_on():
                    return False
                calls.feed()
            except AWAY as error:
                results.went_away(error)
        runs.record_pace(paces.taken())
    return True


class _Watch:
    """Looks whether the lease is held often; now and then renews it, sees a pause, keeps how the
    endpoints' limits moved."""

    def __init__(self, lease: Lease, limits: Limits, paces: Paces) -> None:
        self._lease, self._limits, self._paces = lease, limits, paces
        self._look_at = self._renew_at = 0.0

    def goes_on(self) -> bool:
        """False when another holds the shard or the run is over."""
        now = time.monotonic()
        if now >= self._renew_at:
            self._renew_at = now + leases.HEARTBEAT_S
            self._look_at = now + leases.LOOK_S
            self._limits.look(self._lease.run_id)
            runs.record_pace(self._paces.taken())
            return leases.renew(self._lease)
        if now >= self._look_at:
            self._look_at = now + leases.LOOK_S
            return leases.is_held(self._lease)
        return True
