"""How far a run is: counted now, with its rate and the time to go."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Count, Q, Sum

from evals.models import Result, Run
from evals.selectors.runs import OVER, seconds_run
from evals.states import ResultState, RunState
from infra import clock

# The rate of a run is that of its last seconds, not of its whole life; of its last minutes when
# so few results arrive that the seconds hold next to none.
RATE_WINDOW, SLOW_RATE_WINDOW = timedelta(seconds=10), timedelta(minutes=2)
FEW_RESULTS = 20


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
    skipped: int
    """Never asked: the run ended before, as `ended_because` says."""
    per_second: float
    """Results a second over the last ten seconds, of a slow run the last two minutes; 0: none."""
    eta_s: float | None
    """Seconds to go at that rate; None when it is not known."""
    cost_micros: int | None
    """So far, of the checkpoint's answers; None when no price was in force."""
    grader_cost_micros: int | None
    """So far, of the models that graders asked; None when none was asked or no price is known."""
    n_grader_calls: int
    problem: str
    ended_because: str

    @property
    def is_over(self) -> bool:
        return self.state in OVER

    @property
    def rate(self) -> str:
        """`8.3/s`, or `12/min` when less than one arrives a second."""
        return (
            f"{self.per_second:.1f}/s"
            if self.per_second >= 1
            else f"{self.per_second * 60:.0f}/min"
        )

    @property
    def to_go(self) -> str:
        """`43 s to go`, `12 min to go`, `3 h 20 min to go`; "" when it is not known."""
        if self.eta_s is None:
            return ""
        if self.eta_s < 120:
            return f"{self.eta_s:.0f} s to go"
        hours, minutes = divmod(round(self.eta_s / 60), 60)
        return f"{hours} h {minutes} min to go" if hours else f"{minutes} min to go"


def progress(run: Run) -> Progress:
    """How far the run is now."""
    now = clock.now()
    row = Run.objects.get(pk=run.pk)
    counted = Result.objects.filter(run=run).aggregate(
        done=Count("pk"),
        passed=Count("pk", filter=Q(state=ResultState.PASSED.value)),
        failed=Count("pk", filter=Q(state=ResultState.FAILED.value)),
        errored=Count("pk", filter=Q(state=ResultState.ERRORED.value)),
        refused=Count("pk", filter=Q(state=ResultState.REFUSED.value)),
        skipped=Count("pk", filter=Q(state=ResultState.SKIPPED.value)),
        n_last_seconds=Count("pk", filter=Q(recorded_at__gt=now - RATE_WINDOW)),
        n_last_minutes=Count("pk", filter=Q(recorded_at__gt=now - SLOW_RATE_WINDOW)),
        cost_micros=Sum("cost_micros"),
        grader_cost_micros=Sum("grader_cost_micros"),
        n_grader_calls=Sum("n_grader_calls", default=0),
    )
    n_last_seconds, n_last_minutes = counted.pop("n_last_seconds"), counted.pop("n_last_minutes")
    is_slow = n_last_seconds < FEW_RESULTS
    n_recent, window = (
        (n_last_minutes, SLOW_RATE_WINDOW) if is_slow else (n_last_seconds, RATE_WINDOW)
    )
    window_s = min(window.total_seconds(), seconds_run(row, now))
    per_second = n_recent / window_s if window_s > 0 else 0.0
    left = row.n_expected - counted["done"]
    return Progress(
        state=RunState(row.state),
        total=row.n_expected,
        per_second=per_second,
        eta_s=left / per_second if per_second else None,
        problem=row.problem,
        ended_because=row.ended_because,
        **counted,
    )
