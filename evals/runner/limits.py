"""What a shard may still ask: its run's caps, whether it is settled, whether somebody paused it.

`admits` is asked before each call and `settle` told after each result, both on the thread of the
calls; `look` runs on the database's thread. Nothing here ends a call in flight: what was paid for
is recorded.
"""

from __future__ import annotations

import time
from datetime import datetime
from uuid import UUID

from evals.caps import Caps, Spent
from evals.models import Run
from evals.runner.storage import ResultRow
from evals.selectors import runs
from evals.states import RunState
from infra import clock


class Limits:
    """Admits calls until a cap is reached, or the run is settled or paused; then never again."""

    def __init__(
        self,
        *,
        caps: Caps | None = None,
        spent: Spent | None = None,
        seconds_left: float | None = None,
        because: str = "",
    ) -> None:
        """`seconds_left` of the run's own time; None when it is not capped. `because` it ended."""
        self._caps = caps or Caps()
        self._cost_micros = spent.cost_micros if spent else 0
        self._tokens = spent.tokens if spent else 0
        self._ends_at = None if seconds_left is None else time.monotonic() + seconds_left
        self.because = because
        """Why the rest is to be skipped, in one sentence; empty while nothing ended the run."""
        self.is_paused = False

    def admits(self) -> bool:
        """Whether one more call may begin."""
        if not self.because and self._ends_at is not None and time.monotonic() >= self._ends_at:
            self.because = f"Its cap of {self._caps.most_seconds:,} s on time was reached."
        return not (self.because or self.is_paused)

    def settle(self, row: ResultRow) -> None:
        """Count what a result cost."""
        self._cost_micros += (row.cost_micros or 0) + (row.grader_cost_micros or 0)
        self._tokens += (row.tokens_in or 0) + (row.tokens_out or 0)
        self._tokens += (row.grader_tokens_in or 0) + (row.grader_tokens_out or 0)
        self.because = self.because or self._reached(row)

    def _reached(self, row: ResultRow) -> str:
        caps = self._caps
        if caps.most_cost_micros is not None and self._cost_micros >= caps.most_cost_micros:
            return f"Its cap of {_money(caps.most_cost_micros)} on money was reached."
        if caps.most_tokens is not None and self._tokens >= caps.most_tokens:
            return f"Its cap of {caps.most_tokens:,} tokens was reached."
        return self._uncounted(row) if caps.is_spending else ""

    def _uncounted(self, row: ResultRow) -> str:
        """What nobody counts can't be kept within a cap."""
        if row.output and None in (row.tokens_in, row.tokens_out):
            return "The upstream did not count the tokens of an answer, so no cap could be kept."
        if row.n_grader_calls and None in (row.grader_tokens_in, row.grader_tokens_out):
            return "A model that graders ask did not count its tokens, so no cap could be kept."
        is_priced = row.cost_micros is not None or not row.output
        if row.n_grader_calls:
            is_priced = is_priced and row.grader_cost_micros is not None
        if self._caps.most_cost_micros is not None and not is_priced:
            return "An answer had no price any more, so no cap on money could be kept."
        return ""

    def look(self, run_id: UUID) -> None:
        """See whether the run was paused, or is settled; a database call."""
        row = Run.objects.filter(pk=run_id).values_list("state", "early_stop__sentence").first()
        state, settled = row or ("", None)
        if state == RunState.PAUSED.value:
            self.is_paused = True
        self.because = self.because or settled or ""


def limits_of(run: Run) -> Limits:
    """As the run's recorded results leave them."""
    caps = runs.caps_of(run)
    spent = runs.spent(run) if caps.is_spending else None
    limits = Limits(
        caps=caps,
        spent=spent,
        seconds_left=_seconds_left(run, clock.now()),
        # A re-grade of a partial run is told why that one ended; its own work is not over.
        because="" if run.regraded_from_id else run.ended_because,
    )
    limits.look(run.pk)
    return limits


def _seconds_left(run: Run, now: datetime) -> float | None:
    if run.most_seconds is None or run.started_at is None:
        return None
    return run.most_seconds - runs.seconds_run(run, now)


def _money(micros: int) -> str:
    return f"{micros / 1_000_000:,.6f}".rstrip("0").rstrip(".")
