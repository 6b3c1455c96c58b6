"""What became of cases: the runs that asked them, and the gates that rest on those runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Count, Q

from evals.models import Case, Result, Run
from evals.states import MISSING, ResultState, RunState, VersionState
from releases.models import GateOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """How one run did on the cases of the road."""

    run: Run
    n_passed: int
    n_missing: int
    n_expected: int
    """Results that the run owes for these cases: each case in each repeat."""

    @property
    def passes(self) -> bool:
        """Every case, every time."""
        return self.n_passed == self.n_expected > 0


def measured(cases: Sequence[Case]) -> list[Measured]:
    """Each checkpoint's newest completed run on each published version; the oldest run first."""
    by_version = Counter(
        case.version_id for case in cases if case.version.state == VersionState.PUBLISHED.value
    )
    done = Run.objects.filter(version__in=by_version, state=RunState.COMPLETED.value)
    related = done.select_related("version__suite", "checkpoint").order_by("created_at", "pk")
    newest = {(run.version_id, run.checkpoint_id): run for run in related}
    counts = _counts(list(newest.values()), cases)
    found = [
        Measured(
            run=run,
            n_passed=counts[run.pk, ResultState.PASSED.value],
            n_missing=sum(counts[run.pk, state.value] for state in MISSING),
            n_expected=by_version[run.version_id] * run.repeats,
        )
        for run in newest.values()
    ]
    return sorted(found, key=lambda one: (one.run.created_at, one.run.pk))


def _counts(runs: Sequence[Run], cases: Sequence[Case]) -> Counter[tuple[UUID, str]]:
    rows = (
        Result.objects.filter(run__in=runs, case__in=cases)
        .order_by()
        .values_list("run_id", "state")
        .annotate(n=Count("pk"))
    )
    return Counter({(run_id, state): n for run_id, state, n in rows})


def outcomes_on(cases: Sequence[Case]) -> list[GateOutcome]:
    """The newest outcome of each gate of each promotion that rests on a version with the cases."""
    which = Q(pk__in=[])
    for version in {case.version_id: case.version for case in cases}.values():
        if version.state == VersionState.PUBLISHED.value:
            which |= Q(evidence__suite=version.suite.name, evidence__version=version.number)
    found = GateOutcome.objects.filter(which).select_related(
        "evaluation__promotion__checkpoint", "evaluation__promotion__stage__pipeline"
    )
    ordered = found.order_by("evaluation__evaluated_at", "evaluation__number", "position")
    newest = {(one.evaluation.promotion_id, one.gate_id): one for one in ordered}
    return list(newest.values())
