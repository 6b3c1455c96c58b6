"""Numbers of runs that are not over, and of suites."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from evals.models import Run, Shard
from evals.selectors import suites
from evals.selectors.health import health_of
from evals.selectors.runs import OVER
from evals.states import RunState, ShardState
from infra.exposition import Gauge, by, counted
from releases.statistics.suite_status import SuiteStatus


def gauges(now: datetime) -> Iterator[Gauge]:
    """In a constant number of queries."""
    going = [state.value for state in RunState if state not in OVER]
    runs = counted(Run.objects.filter(state__in=going), "state")
    yield by("runs", "Eval runs that are not over.", "state", runs, going)
    waiting = (ShardState.QUEUED.value, ShardState.RUNNING.value)
    shards = Shard.objects.filter(run__state__in=going, state__in=waiting)
    yield by(
        "run_shards",
        "Slices of those runs, waiting for a worker or held by one.",
        "state",
        counted(shards, "state"),
        waiting,
    )
    states = Counter(health.state.value for _, health in health_of(suites.suites(), now.date()))
    yield by("suites", "Suites, by how far they are worn.", "state", states, list(SuiteStatus))
