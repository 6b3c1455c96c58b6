"""The Celery worker that moves a promotion is killed at each commit; the next one ends the work."""

from __future__ import annotations

import signal
import subprocess
import time
from uuid import uuid4

import pytest
from django.db import connection, connections

from infra import audit
from releases.models import DecisionRecord, Promotion, Stage
from releases.states import PromotionState
from tests import builders
from tests.releases import rollout
from tests.releases.dying_worker import NEVER, nudge, worker
from tests.releases.kills import Copies, wait_until_gone
from tests.releases.rollout import begun, shares
from tests.releases.test_arms_races import ends, ready_beside

PATIENCE_S = 90


@pytest.mark.long
def test_a_worker_killed_at_any_commit_leaves_what_the_next_worker_ends(
    committed_db: str, valkey: str
) -> None:
    cast = builders.cast()
    to = rollout.stage()
    begun(cast, to, "one")
    ready_beside(cast, to, "two")
    copies = Copies(committed_db)
    try:
        copies.use_new()
        _worked(valkey, NEVER)
        expected = ends()
        point, died = 0, True
        while died:
            point += 1
            copies.use_new()
            died = _worked(valkey, point)
            if died:
                _worked(valkey, NEVER)
            assert shares(Stage.objects.get()) == {
                "one": ("incumbent", 90),
                "two": ("candidate", 10),
            }
            assert ends() == expected, f"killed at {point}"
            assert DecisionRecord.objects.count() == 2
            assert audit.verify().problem is None
        assert point > 2, "at least one commit, before and after"
    finally:
        copies.drop()


def _worked(valkey: str, dies_at: int) -> bool:
    """A worker was nudged until it died (True) or until nothing was open any more."""
    queue = f"kills-{uuid4().hex[:12]}"
    database = connection.settings_dict["NAME"]
    with worker(queue, database, valkey, dies_at) as process:
        nudge(queue)
        died = _dies_before_it_is_done(process)
    connections.close_all()
    wait_until_gone()
    return died


def _dies_before_it_is_done(process: subprocess.Popen[str]) -> bool:
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        if process.poll() is not None:
            assert process.returncode == -signal.SIGKILL, "it died by another cause"
            return True
        states = set(Promotion.objects.values_list("state", flat=True))
        if states == {PromotionState.PROMOTED.value}:
            # It may still die after its last commit.
            time.sleep(0.5)
            return process.poll() is not None
        time.sleep(0.05)
    raise AssertionError("the worker neither died nor did the work")
