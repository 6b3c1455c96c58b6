"""Reads over runs: which there are, how far they are, and what came out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db.models import Count, Q, QuerySet, Sum

from evals.models import Result, Run, SuiteVersion
from evals.states import ResultState, RunState
from infra import clock
from infra.errors import NotFound
from releases.models import Checkpoint

OVER = frozenset({RunState.COMPLETED, RunState.CANCELLED, RunState.FAILED})
# The rate of a run is that of its last seconds, not of its whole life.
RATE_WINDOW = timedelta(seconds=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run is."""

    state: RunState
    total: int
    done: int
    passed: int
    failed: int
    errored: int
    refused: int
    per_second: float
    """Results a second over the last ten seconds; 0 while none arrived."""
    eta_s: float | None
    """Seconds to go at that rate; None when it is not known."""
    cost_micros: int | None
    """So far; None when no price was in force."""
    problem: str

    @property
    def is_over(self) -> bool:
        return self.state in OVER


def runs(suite: str = "", checkpoint: str = "", state: str = "") -> QuerySet[Run]:
    """Newest first, of that suite, checkpoint and state when given."""
    found = Run.objects.select_related("version__suite", "checkpoint", "deployment")
    if suite:
        found = found.filter(version__suite__name=suite)
    if checkpoint:
        found = found.filter(checkpoint__name=checkpoint)
    return found.filter(state=state) if state else found


def run_with_id(run_id: UUID) -> Run:
    """That run with its suite and checkpoint; NotFound."""
    run = runs().filter(pk=run_id).first()
    if run is None:
        raise NotFound("no_such_run", f"There is no eval run {run_id}.")
    return run


def newest_completed(version: SuiteVersion, checkpoint_id: UUID) -> Run | None:
    """The checkpoint's newest completed run on the version; None without one."""
    found = runs(state=RunState.COMPLETED.value)
    return found.filter(version=version, checkpoint_id=checkpoint_id).first()


def completed_run(version: SuiteVersion, checkpoint: Checkpoint) -> Run:
    """As newest_completed; NotFound with the command that would make one."""
    run = newest_completed(version, checkpoint.pk)
    if run is None:
        message = (
            f"{checkpoint.name} has no completed run on {version}: start one with "
            f"`manage.py run start {version} {checkpoint.name}`."
        )
        raise NotFound("no_completed_run", message)
    return run


def newest_open(version: SuiteVersion, checkpoint_id: UUID) -> Run | None:
    """The checkpoint's newest run on the version that is not over; None without one."""
    found = runs().filter(version=version, checkpoint_id=checkpoint_id)
    return found.exclude(state__in=[state.value for state in OVER]).first()


def progress(run: Run) -> Progress:
    """How far the run is now."""
    now = clock.now()
    row = Run.objects.only("state", "n_expected", "started_at", "problem").get(pk=run.pk)
    counted = Result.objects.filter(run=run).aggregate(
        done=Count("pk"),
        passed=Count("pk", filter=Q(state=ResultState.PASSED.value)),
        failed=Count("pk", filter=Q(state=ResultState.FAILED.value)),
        errored=Count("pk", filter=Q(state=ResultState.ERRORED.value)),
        refused=Count("pk", filter=Q(state=ResultState.REFUSED.value)),
        recent=Count("pk", filter=Q(recorded_at__gt=now - RATE_WINDOW)),
        cost_micros=Sum("cost_micros"),
    )
    recent = counted.pop("recent")
    running_s = (now - row.started_at).total_seconds() if row.started_at else 0.0
    window_s = min(RATE_WINDOW.total_seconds(), running_s)
    per_second = recent / window_s if window_s > 0 else 0.0
    left = row.n_expected - counted["done"]
    return Progress(
        state=RunState(row.state),
        total=row.n_expected,
        per_second=per_second,
        eta_s=left / per_second if per_second else None,
        problem=row.problem,
        **counted,
    )


def results(run: Run) -> QuerySet[Result]:
    """The run's results in the suite's order, repeats together."""
    found = Result.objects.filter(run=run).select_related("case")
    return found.order_by("case__position", "repeat")


def result_rows(run: Run) -> Iterator[tuple[str, int, str, str, float | None]]:
    """(case_id, repeat, component, state, score) of every result; component "" is the whole."""
    rows = Result.objects.filter(run=run).order_by("case__position", "repeat")
    fields = ("case__case_id", "repeat", "state", "score", "components")
    for case_id, repeat, state, score, shares in rows.values_list(*fields).iterator():
        yield case_id, repeat, "", state, score
        for label in sorted(shares):
            yield case_id, repeat, label, state, shares[label]["score"]
