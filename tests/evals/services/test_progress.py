"""How far a run is, in words a person reads at a glance."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from unittest import mock

import pytest

from evals.models import Result, Run
from evals.selectors.progress import Progress, progress
from evals.states import ResultState, RunState
from infra import clock
from tests.evals import builders

GOING = Progress(
    state=RunState.RUNNING,
    total=40,
    done=10,
    passed=10,
    failed=0,
    errored=0,
    refused=0,
    skipped=0,
    per_second=8.34,
    eta_s=43.4,
    cost_micros=None,
    grader_cost_micros=None,
    n_grader_calls=0,
    problem="",
    ended_because="",
)


@pytest.mark.parametrize(
    ("per_second", "eta_s", "rate", "to_go"),
    [
        (8.34, 43.4, "8.3/s", "43 s to go"),
        (0.2, 150.0, "12/min", "2 min to go"),
        (0.0, None, "0/min", ""),
        (1.0, 12_000.0, "1.0/s", "3 h 20 min to go"),
        (1.0, 3_599.0, "1.0/s", "1 h 0 min to go"),
    ],
)
def test_rates_and_times_read_at_a_glance(
    per_second: float, eta_s: float | None, rate: str, to_go: str
) -> None:
    now = replace(GOING, per_second=per_second, eta_s=eta_s)
    assert (now.rate, now.to_go) == (rate, to_go)


def going(n_cases: int, now: datetime) -> Run:
    """A run that began five minutes ago and has no result yet."""
    version, checkpoint = builders.published(n_cases), builders.served("http://127.0.0.1:9/v1")
    run = builders.start(version, checkpoint)
    run.state, run.started_at = RunState.RUNNING.value, now - timedelta(minutes=5)
    run.save(update_fields=["state", "started_at"])
    return run


def record(run: Run, ages_s: list[float], now: datetime) -> None:
    for case, age_s in zip(run.version.cases.order_by("position"), ages_s, strict=False):
        recorded_at, state = now - timedelta(seconds=age_s), ResultState.PASSED.value
        Result.objects.create(
            run=run,
            case=case,
            repeat=0,
            state=state,
            score=1.0,
            recorded_at=recorded_at,
            output=b"",
        )


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("ages_s", "per_second"),
    [
        ([15.0 * number for number in range(1, 7)], 6 / 120),
        ([0.1 * number for number in range(40)], 4.0),
        ([130.0] * 4, 0.0),
    ],
)
def test_a_slow_run_is_timed_over_minutes(ages_s: list[float], per_second: float) -> None:
    now = clock.now()
    run = going(50, now)
    record(run, ages_s, now)
    with mock.patch.object(clock, "now", lambda: now):
        found = progress(run)
    assert found.per_second == pytest.approx(per_second)
    assert found.eta_s == (pytest.approx((50 - len(ages_s)) / per_second) if per_second else None)
