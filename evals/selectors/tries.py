"""How many variants were tried before one was compared, and what that takes from its win."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q

from evals.models import Comparison, Run
from evals.states import RunState
from releases.statistics.best_of import best_of, tries_clause


@dataclass(frozen=True, slots=True, kw_only=True)
class Tries:
    """The candidate among its siblings on the suite."""

    n_tried: int
    """Checkpoints of its parent or run set that completed a run on the suite, itself included."""
    p_corrected: float | None
    """For "better" on the whole suite, times the tries; None without a p-value."""
    sentence: str
    """Empty with one try."""


def n_tried(candidate: Run, then: datetime | None = None) -> int:
    """Siblings (of one parent or run set, the same size) that ran on the suite; at least 1.

    Counted by runs, not by comparisons: who looks at two scores has compared them. With `then`, as
    of that moment.
    """
    checkpoint, run_set = candidate.checkpoint, candidate.run_set
    alike = Q(pk=candidate.pk)
    if checkpoint.parent_id is not None:
        alike |= Q(checkpoint__parent=checkpoint.parent_id)
    if run_set is not None:
        alike |= Q(run_set=run_set) & ~Q(checkpoint=run_set.baseline_id)
    ran = Run.objects.filter(
        alike,
        version__suite=candidate.version.suite_id,
        state=RunState.COMPLETED.value,
        checkpoint__size=checkpoint.size,
    )
    if then is not None:
        ran = ran.filter(finished_at__lte=then)
    return max(1, ran.order_by().values("checkpoint").distinct().count())


def tries_of(comparison: Comparison, nodes: Sequence[Mapping[str, Any]] | None = None) -> Tries:
    """As of now: a sibling that is tried later counts from then on.

    `nodes` are those that people are shown, where a judge's were corrected.
    """
    tried = n_tried(comparison.candidate)
    root = next(node for node in nodes or comparison.nodes if node["node"] == "")
    p_better, se = root["p_better"], root["se"]
    if tried == 1 or p_better is None or se is None:
        return Tries(n_tried=tried, p_corrected=p_better, sentence="")
    found = best_of(p_better, tried, se)
    alpha = (1 - comparison.confidence) / 2
    clause = tries_clause(tried, found.luck, found.p_corrected, alpha)
    name = comparison.candidate.checkpoint.name
    return Tries(n_tried=tried, p_corrected=found.p_corrected, sentence=f"{name} is {clause}.")
