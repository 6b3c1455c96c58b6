"""Two runs paired case by case, as the statistics take them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db.models import QuerySet

from evals import components
from evals.models import Comparison, Run, SuiteVersion
from evals.selectors import run_orders, runs, scores
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
    ranks: Ints | None = None
    """Where our run stopped early: each shared case's rank in the order of its looks, -1 for those
    after the deciding ones. None: every case counts, in the suite's order."""

    def members(self, node: str) -> Ints:
        """Places of the node's compared cases: those that count for it in either run."""
        import numpy as np  # only where numbers are made

        places = self._of_node(node)
        if self.ranks is None:
            return places
        ranks = self.ranks[places]
        return places[np.argsort(ranks)][int((ranks < 0).sum()) :]

    def _of_node(self, node: str) -> Ints:
        import numpy as np  # only where numbers are made

        ours = self.our_places[self.ours.at(node).cases]
        theirs = self.their_places[self.theirs.at(node).cases]
        places = np.union1d(ours, theirs)
        return places[places >= 0]

    def n_beyond(self, node: str) -> int:
        """Shared cases of the node after those that decided an early stop."""
        if self.ranks is None:
            return 0
        return len(self._of_node(node)) - len(self.members(node))

    def largest(self, node: str) -> int | None:
        """Cases of the node's largest cluster where our run stopped early; None: it did not."""
        if self.ranks is None:
            return None
        held = (self.ours.keys.clusters[self.shared[i]] for i in self._of_node(node).tolist())
        return max(Counter(held_by for held_by in held if held_by).values(), default=1)

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
            largest=self.largest(node),
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
        "candidate__checkpoint",
        "candidate__version__suite",
        "candidate__early_stop",
        "baseline__checkpoint",
    )


def comparison_with_id(comparison_id: UUID) -> Comparison:
    """That comparison; NotFound."""
    found = comparisons().filter(pk=comparison_id).first()
    if found is None:
        raise NotFound("no_such_comparison", f"There is no comparison {comparison_id}.")
    return found


def n_shared(version: SuiteVersion, other: SuiteVersion) -> tuple[int, int]:
    """Cases that both versions have, by id and content, and those that either has."""
    keys = ("case_id", "digest")
    ours, theirs = (set(one.cases.values_list(*keys)) for one in (version, other))
    return len(ours & theirs), len(ours | theirs)


def paired(candidate: Run, baseline: Run) -> PairedRuns:
    """Both runs' cases, paired by case id and content.

    Of a candidate that stopped early, the cases that decided it, in their order.
    """
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
        ranks=_ranks(candidate, ours, shared),
    )


def _ranks(candidate: Run, ours: ScoreTable, shared: Sequence[int]) -> Ints | None:
    import numpy as np  # only where numbers are made

    stopped = runs.early_stop_of(candidate)
    if stopped is None:
        return None
    keys = ours.keys
    cases = zip(keys.case_ids, (held or "" for held in keys.clusters), strict=True)
    units = run_orders.units_of(candidate, cases)[: stopped.n_units]
    rank = {case_id: at for at, case_id in enumerate(name for unit in units for name in unit)}
    return np.array([rank.get(keys.case_ids[at], -1) for at in shared], np.int32)


def _samples(places: Ints, found: NodeSamples) -> dict[int, tuple[float, ...]]:
    return dict(zip(places[found.cases].tolist(), found.samples(), strict=True))


def pairs_of(comparison: Comparison, node: str) -> PairedRuns:
    """The cases of both runs; NotFound names the nodes there are when `node` is none of them."""
    pairs = paired(comparison.candidate, comparison.baseline)
    if node not in pairs.nodes:
        known = ", ".join(name for name in pairs.nodes if name) or "none"
        raise NotFound("no_such_node", f"The comparison has no node {node!r}; it has: {known}.")
    return pairs


def nodes_of(comparison: Comparison) -> dict[str, dict[str, Any]]:
    """The comparison's nodes as gates read them: verdicts uncorrected, adjusted p beside them."""
    from releases.statistics.paired_cases import Method  # SciPy

    kept = (
        "n n_clusters n_missing n_unshared delta lo hi p_better p_regression p_worse mde "
        "cases_to_settle is_hopeless verdict corrected_verdict doubt sentence"
    ).split()
    return {
        node["node"]: {
            **{name: node[name] for name in kept},
            "adjusted_p_regression": node["p_regression_holm"],
            "adjusted_p_worse": node["p_worse_holm"],
            **({"is_anytime": True} if node["method"] == Method.ANYTIME else {}),
        }
        for node in comparison.nodes
    }


def mean(values: Sequence[float]) -> float:
    """Mean of at least one score."""
    return sum(values) / len(values)
