"""Cases that a comparison could not count: unmatched, errored, ungraded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Count

from evals.models import Comparison, Result, Run, RunScores
from evals.selectors.comparisons import PairedRuns
from evals.states import MISSING, ResultState

SHOWN_CASES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One run's results by state, in the order of `Uncompared.states`."""

    name: str
    counts: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class LostCase:
    """What became of a case in the arm that has no score for it."""

    case_id: str
    arm: str
    state: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncompared:
    """What is missing from the pairs of a node."""

    states: Sequence[ResultState]
    arms: Sequence[Arm]
    n_lost: int
    """Shared cases of the node without a score in at least one arm."""
    n_unmatched: int
    """Cases of the node that only one run has."""
    n_beyond: int
    """Shared cases of the node after those that decided an early stop."""
    n_shown: int
    lost: Sequence[LostCase]


def uncompared(comparison: Comparison, pairs: PairedRuns, node: str = "") -> Uncompared:
    """What the node's numbers leave out, the first cases with their reasons."""
    import numpy as np  # only where numbers are made

    missing = pairs.members(node)[~pairs.table(node).is_observed()]
    names = [pairs.ours.keys.case_ids[pairs.shared[place]] for place in np.sort(missing).tolist()]
    arms = (comparison.candidate, comparison.baseline)
    return Uncompared(
        states=list(ResultState),
        arms=[_arm(run) for run in arms],
        n_lost=len(names),
        n_unmatched=pairs.n_unshared[node],
        n_beyond=pairs.n_beyond(node),
        n_shown=min(len(names), SHOWN_CASES),
        lost=[row for run in arms for row in _lost(run, names[:SHOWN_CASES])],
    )


def partial_sentences(comparison: Comparison) -> list[str]:
    """Of the compared runs that ended before their last case: which, and why."""
    named = (("candidate", comparison.candidate), ("baseline", comparison.baseline))
    return [
        f"The {arm}'s run is partial. {run.ended_because}"
        for arm, run in named
        if run.ended_because
    ]


def n_states(run: Run) -> dict[str, int]:
    """The run's results by state."""
    kept = RunScores.objects.filter(pk=run.pk).values_list("n_states", flat=True).first()
    if kept is not None:
        return dict(kept)
    rows = Result.objects.filter(run=run).order_by().values_list("state")
    return dict(rows.annotate(n=Count("pk")))


def _arm(run: Run) -> Arm:
    counted = n_states(run)
    return Arm(
        name=run.checkpoint.name, counts=[counted.get(state.value, 0) for state in ResultState]
    )


def _lost(run: Run, case_ids: Sequence[str]) -> list[LostCase]:
    rows = Result.objects.filter(
        run=run, case__case_id__in=case_ids, state__in=[state.value for state in MISSING]
    ).order_by("case__position", "repeat")
    fields = ("case__case_id", "state", "error_code", "error_message", "explanation")
    return [
        LostCase(
            case_id=case_id,
            arm=run.checkpoint.name,
            state=state,
            why=": ".join(filter(None, (code, message))) or explanation,
        )
        for case_id, state, code, message, explanation in rows.values_list(*fields)
    ]
