"""A probe that is started twice at once, or whose worker is killed, asks everything once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection

from evals.models import Probe, Result, Run, Suite
from evals.runner import leases
from evals.services.probes import concluding, running
from evals.states import ProbeState, ProbeVerdict
from infra import clock
from infra.embedded.processes import wait_until
from infra.errors import InvalidMove
from infra.models import AuditEntry
from tests import builders
from tests.evals import builders as evals
from tests.evals import worker
from tests.evals.probes import story
from tests.evals.probes.story import WeakUpstream

AT_ONCE = 6


def reviewed(weak: WeakUpstream, **fields: object) -> Probe:
    cast = builders.cast()
    checkpoint = evals.served(weak.base_url, "chat-nano-1")
    probe = story.designed(cast.engineer, checkpoint, **fields)
    story.approve_all(cast.engineer, probe)
    return probe


def test_of_several_starts_at_once_one_begins_it(committed_db: str) -> None:
    with WeakUpstream() as weak:
        probe = reviewed(weak, n_prompts=5, repeats=1)
    cast, gate = builders.cast(), threading.Barrier(AT_ONCE)

    def start(_: int) -> str:
        gate.wait()
        try:
            running.start_probe(actor=cast.engineer, probe=probe)
            return "began"
        except InvalidMove as refused:
            return refused.code
        finally:
            connection.close()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        told = sorted(pool.map(start, range(AT_ONCE)))
    assert told == ["began", *["probe_began"] * (AT_ONCE - 1)]
    assert (Run.objects.count(), Suite.objects.filter(is_internal=True).count()) == (1, 1)
    assert AuditEntry.objects.filter(action="probe.started").count() == 1


@pytest.mark.long
def test_a_probe_outlives_the_kill_of_its_worker(committed_db: str, valkey: str) -> None:
    """Killed in the middle and taken up again: one result each, and the cause is found."""
    with WeakUpstream(delay_s=0.05) as weak:
        probe = reviewed(weak, n_prompts=8, repeats=4)
        running.start_probe(actor=builders.cast().engineer, probe=probe)
        run = probe.probe_runs.get().run
        assert run is not None
        victim = worker.begin(run.shards.get().pk, committed_db)
        try:
            assert wait_until(lambda: weak.n_calls > run.n_expected // 4, timeout_s=60)
        finally:
            victim.kill()
            victim.wait(20)
        assert weak.n_calls < run.n_expected
        with clock.moved_by(leases.LEASE + timedelta(seconds=1)):
            leases.sweep()
        story.execute(probe)
        assert concluding.conclude_due() == 1
    probe.refresh_from_db()
    assert (probe.state, probe.verdict) == (ProbeState.CONCLUDED.value, ProbeVerdict.ISOLATED.value)
    keys = Result.objects.filter(run=run).values_list("case_id", "repeat")
    assert len(keys) == len(set(keys)) == run.n_expected
