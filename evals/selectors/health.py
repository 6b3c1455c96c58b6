"""How long a suite may still be trusted, and which of its cases tell nothing any more."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from django.db.models import Max, Min

from evals.models import Result, Suite, SuiteVersion
from evals.selectors import suites
from evals.states import SCORED, RunState

# A case that this many checkpoints answered alike tells nothing about the next.
CHECKPOINTS_TO_CALL_CONSTANT = 2


class SuiteState(StrEnum):
    """How far a suite is on its shelf."""

    FRESH = "fresh"
    AGEING = "ageing"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteHealth:
    """A suite's state with its reason."""

    state: SuiteState
    reason: str
    review_by: date
    n_cases: int
    n_constant: int
    """Cases that every checkpoint passed or every checkpoint failed in full."""
    n_checkpoints: int
    """Checkpoints with a completed run on the newest version."""


def suite_state(suite: Suite, today: date) -> tuple[SuiteState, str]:
    """Fresh, ageing after two thirds of the shelf, expired past the review date; and why."""
    left = (suite.review_by - today).days
    age_days = suite.shelf_days - left
    if left < 0:
        return SuiteState.EXPIRED, f"its review was due on {suite.review_by}"
    if 3 * age_days > 2 * suite.shelf_days:
        return SuiteState.AGEING, f"its review is due on {suite.review_by}, in {left} days"
    return SuiteState.FRESH, f"its review is due on {suite.review_by}"


def suite_health(suite: Suite, today: date) -> SuiteHealth:
    """State, reason, and how many cases of the newest version are constant."""
    state, reason = suite_state(suite, today)
    version = suites.newest_published(suite)
    n_constant, n_checkpoints = _constant(version) if version else (0, 0)
    return SuiteHealth(
        state=state,
        reason=reason,
        review_by=suite.review_by,
        n_cases=version.n_cases if version else 0,
        n_constant=n_constant,
        n_checkpoints=n_checkpoints,
    )


def _constant(version: SuiteVersion) -> tuple[int, int]:
    """Cases with the same full or zero score everywhere, and the checkpoints that were seen."""
    completed = version.runs.filter(state=RunState.COMPLETED.value)
    n_checkpoints = completed.values("checkpoint").distinct().count()
    if n_checkpoints < CHECKPOINTS_TO_CALL_CONSTANT:
        return 0, n_checkpoints
    scored = Result.objects.filter(run__in=completed, state__in=[state.value for state in SCORED])
    spread = scored.values("case").annotate(least=Min("score"), most=Max("score"))
    n_constant = spread.filter(least=1.0).count() + spread.filter(most=0.0).count()
    return n_constant, n_checkpoints
