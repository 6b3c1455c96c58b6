"""Scores of a run per case and node, as the statistics take them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evals import components, graders
from evals.models import Case, Result, Run
from evals.selectors.suites import graded_case
from evals.states import SCORED

if TYPE_CHECKING:
    from releases.statistics.means import NodeMean, ScoredCase

_SCORED = frozenset(state.value for state in SCORED)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseScores:
    """One case of a run, all its repeats."""

    case_id: str
    digest: str
    cluster: str | None
    nodes: frozenset[str]
    """Every node that the case counts for, the root included."""
    samples: Sequence[Mapping[str, float]]
    """One mapping of node to score a scored repeat; empty when every repeat is missing."""

    def at(self, node: str) -> tuple[float, ...]:
        """The scores at a node, one a scored repeat."""
        return tuple(sample[node] for sample in self.samples if node in sample)


def node_scores(score: float, shares: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """A result's score at every node it counts for; the root's is the graders' own."""
    rolled = components.roll_up({label: share["score"] for label, share in shares.items()})
    return {**rolled, components.ROOT: score}


def case_scores(run: Run) -> list[CaseScores]:
    """Every case of the run in the suite's order."""
    samples: dict[Any, list[dict[str, float]]] = {}
    rows = Result.objects.filter(run=run, state__in=_SCORED).order_by("repeat")
    for case_pk, score, shares in rows.values_list("case_id", "score", "components").iterator():
        samples.setdefault(case_pk, []).append(node_scores(score, shares))
    fields = ("case_id", "digest", "cluster")
    cases = list(run.version.cases.order_by("position").values_list("pk", *fields))
    missing = Case.objects.in_bulk([pk for pk, *_ in cases if pk not in samples])
    found = []
    for pk, case_id, digest, cluster in cases:
        given = samples.get(pk, [])
        nodes = {node for sample in given for node in sample}
        if not given:
            nodes = expected_nodes(missing[pk], run.version.graders)
        found.append(
            CaseScores(
                case_id=case_id,
                digest=digest,
                cluster=cluster or None,
                nodes=frozenset(nodes),
                samples=given,
            )
        )
    return found


def expected_nodes(case: Case, specs: Sequence[Mapping[str, Any]]) -> set[str]:
    """The nodes that a case would count for, had it been answered."""
    graded = graded_case(case)
    labels = {label for spec in specs for label in graders.check_case(spec, graded)}
    return set(components.tree(labels))


def nodes_of(cases: Iterable[CaseScores]) -> list[str]:
    """Every node of those cases in the tree's order, the root first."""
    return list(components.tree({node for case in cases for node in case.nodes}))


def scored_nodes(cases: Sequence[CaseScores]) -> dict[str, list[ScoredCase]]:
    """The cases of each node, as `mean_nodes` takes them."""
    from releases.statistics.means import ScoredCase  # SciPy: only where numbers are made

    return {
        node: [
            ScoredCase(case_id=case.case_id, scores=case.at(node), cluster=case.cluster)
            for case in cases
            if node in case.nodes
        ]
        for node in nodes_of(cases)
    }


def node_means(run: Run, confidence: float = 0.95) -> dict[str, NodeMean]:
    """The run's mean on every node, with its interval."""
    from releases.statistics.means import mean_nodes  # SciPy: only where numbers are made

    cases = case_scores(run)
    return mean_nodes(scored_nodes(cases), suite_name=run.version.suite.name, confidence=confidence)
