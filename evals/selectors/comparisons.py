"""Two runs paired case by case, as the statistics take them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import QuerySet

from evals import components
from evals.models import Comparison, Run
from evals.selectors import scores
from evals.selectors.scores import CaseScores
from infra.errors import NotFound

if TYPE_CHECKING:
    from releases.statistics.paired_cases import PairedCase

Key = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedRuns:
    """The cases of two runs by node; a case is the same when its id and its content are."""

    nodes: Mapping[str, Sequence[PairedCase]]
    """Shared cases of each node, the root first; an arm without samples is missing."""
    n_unshared: Mapping[str, int]
    """Cases of each node that only one run has."""

    @property
    def n_errored(self) -> int:
        """Shared cases that at least one arm lost."""
        whole = self.nodes[components.ROOT]
        return sum(1 for case in whole if not (case.candidate and case.baseline))


def comparisons() -> QuerySet[Comparison]:
    """Newest first, with both runs' checkpoints and suites."""
    return Comparison.objects.select_related(
        "candidate__checkpoint", "candidate__version__suite", "baseline__checkpoint"
    )


def comparison_with_id(comparison_id: UUID) -> Comparison:
    """That comparison; NotFound."""
    found = comparisons().filter(pk=comparison_id).first()
    if found is None:
        raise NotFound("no_such_comparison", f"There is no comparison {comparison_id}.")
    return found


def paired(candidate: Run, baseline: Run) -> PairedRuns:
    """Both runs' cases, paired by case id and content."""
    ours, theirs = _by_key(candidate), _by_key(baseline)
    shared = [key for key in ours if key in theirs]
    alone = [case for key, case in ours.items() if key not in theirs]
    alone += [case for key, case in theirs.items() if key not in ours]
    everything = [*ours.values(), *theirs.values()]
    nodes: dict[str, list[PairedCase]] = {node: [] for node in scores.nodes_of(everything)}
    for key in shared:
        for node in sorted(ours[key].nodes | theirs[key].nodes):
            nodes[node].append(_pair(ours[key], theirs[key], node))
    n_unshared = {node: sum(1 for case in alone if node in case.nodes) for node in nodes}
    return PairedRuns(nodes=nodes, n_unshared=n_unshared)


def _by_key(run: Run) -> dict[Key, CaseScores]:
    return {(case.case_id, case.digest): case for case in scores.case_scores(run)}


def _pair(ours: CaseScores, theirs: CaseScores, node: str) -> PairedCase:
    from releases.statistics.paired_cases import PairedCase  # NumPy: only where numbers are made

    return PairedCase(
        case_id=ours.case_id,
        candidate=ours.at(node),
        baseline=theirs.at(node),
        cluster=ours.cluster,
    )


def cases_at(comparison: Comparison, node: str) -> Sequence[PairedCase]:
    """The shared cases of a node; NotFound names the nodes there are."""
    nodes = paired(comparison.candidate, comparison.baseline).nodes
    if node not in nodes:
        known = ", ".join(name for name in nodes if name) or "none"
        raise NotFound("no_such_node", f"The comparison has no node {node!r}; it has: {known}.")
    return nodes[node]


def mean(values: Sequence[float]) -> float:
    """Mean of at least one score."""
    return sum(values) / len(values)
