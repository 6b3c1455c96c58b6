"""Two runs paired case by case, as the statistics take them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import QuerySet

from evals import components
from evals.models import Comparison, Run
from evals.selectors import scores
from infra.errors import NotFound

if TYPE_CHECKING:
    from evals.score_tables import Floats, Ints, NodeSamples, ScoreTable
    from releases.statistics.paired_cases import CaseTable, PairedCase


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PairedRuns:
    """The cases of two runs by node; a case is the same when its id and its content are."""

    ours: ScoreTable
    theirs: ScoreTable
    shared: Sequence[int]
    """Positions, among ours, of the cases that both runs have."""
    our_places: Ints
    """Each of our cases' place among the shared ones; -1 where only we have it."""
    their_places: Ints
    nodes: tuple[str, ...]
    """Every node of either run in the tree's order, the root first."""

    def members(self, node: str) -> Ints:
        """Places of the node's shared cases: those that count for it in either run."""
        import numpy as np  # only where numbers are made

        ours = self.our_places[self.ours.at(node).cases]
        theirs = self.their_places[self.theirs.at(node).cases]
        places = np.union1d(ours, theirs)
        return places[places >= 0]

    def table(self, node: str) -> CaseTable:
        """The node's shared cases as the statistics take them; a lost arm is NaN."""
        from releases.statistics.paired_cases import CaseTable  # SciPy

        members = self.members(node)
        clusters = [self.ours.keys.clusters[self.shared[i]] for i in members.tolist()]
        has_clusters = any(cluster is not None for cluster in clusters)
        ours, theirs = self._of_shared(node)
        return CaseTable(
            candidate=self._placed(self.our_places, ours)[members],
            baseline=self._placed(self.their_places, theirs)[members],
            clusters=tuple(clusters) if has_clusters else None,
            is_plain=not has_clusters and ours.is_plain() and theirs.is_plain(),
        )

    def _of_shared(self, node: str) -> tuple[NodeSamples, NodeSamples]:
        ours, theirs = self.ours.at(node), self.theirs.at(node)
        return (
            ours.only(self.our_places[ours.cases] >= 0),
            theirs.only(self.their_places[theirs.cases] >= 0),
        )

    def _placed(self, places: Ints, found: NodeSamples) -> Floats:
        import numpy as np  # only where numbers are made

        values = np.full(len(self.shared), np.nan)
        values[places[found.cases]] = found.means()
        return values

    def cases(self, node: str) -> list[PairedCase]:
        """The node's shared cases with every sample; an arm without samples is missing."""
        from releases.statistics.paired_cases import PairedCase  # SciPy

        found, other = self._of_shared(node)
        ours, theirs = _samples(self.our_places, found), _samples(self.their_places, other)
        keys = self.ours.keys
        return [
            PairedCase(
                case_id=keys.case_ids[self.shared[place]],
                candidate=ours.get(place, ()),
                baseline=theirs.get(place, ()),
                cluster=keys.clusters[self.shared[place]],
            )
            for place in self.members(node).tolist()
        ]

    @property
    def n_unshared(self) -> dict[str, int]:
        """Cases of each node that only one run has."""
        return {
            node: int((self.our_places[self.ours.at(node).cases] < 0).sum())
            + int((self.their_places[self.theirs.at(node).cases] < 0).sum())
            for node in self.nodes
        }

    @property
    def n_errored(self) -> int:
        """Shared cases that at least one arm lost."""
        return int((~self.table(components.ROOT).is_observed()).sum())


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
    import numpy as np  # only where numbers are made

    ours, theirs = scores.score_table(candidate), scores.score_table(baseline)
    our_keys, their_keys = ours.keys.keys(), theirs.keys.keys()
    known = set(their_keys)
    shared = [at for at, key in enumerate(our_keys) if key in known]
    places = {our_keys[at]: place for place, at in enumerate(shared)}
    return PairedRuns(
        ours=ours,
        theirs=theirs,
        shared=shared,
        our_places=np.array([places.get(key, -1) for key in our_keys], np.int32),
        their_places=np.array([places.get(key, -1) for key in their_keys], np.int32),
        nodes=tuple(components.tree({*ours.nodes, *theirs.nodes})),
    )


def _samples(places: Ints, found: NodeSamples) -> dict[int, tuple[float, ...]]:
    return dict(zip(places[found.cases].tolist(), found.samples(), strict=True))


def pairs_of(comparison: Comparison, node: str) -> PairedRuns:
    """The cases of both runs; NotFound names the nodes there are when `node` is none of them."""
    pairs = paired(comparison.candidate, comparison.baseline)
    if node not in pairs.nodes:
        known = ", ".join(name for name in pairs.nodes if name) or "none"
        raise NotFound("no_such_node", f"The comparison has no node {node!r}; it has: {known}.")
    return pairs


def mean(values: Sequence[float]) -> float:
    """Mean of at least one score."""
    return sum(values) / len(values)
