"""What the numbers of runs and comparisons were computed from, as the statistics take it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from evals import components
from evals.models import Comparison, Run
from evals.selectors import comparisons, scores
from infra.errors import NotFound
from releases.replay.method_inputs import INTERVAL, MethodInput

if TYPE_CHECKING:
    from evals.score_tables import ScoreTable
    from releases.statistics.paired_cases import PairedCase

TANGO = "tango"
ANYTIME = "anytime"


def mean_inputs(run: Run, confidence: float) -> dict[str, MethodInput]:
    """`mean_score` of every node of a run that has a scored case."""
    table = scores.score_table(run)
    calls = {node: _mean_input(node, table, confidence) for node in table.nodes}
    return {node: call for node, call in calls.items() if call is not None}


def _mean_input(node: str, table: ScoreTable, confidence: float) -> MethodInput | None:
    found = table.at(node)
    pairs = zip(table.node_clusters(node), found.means().tolist(), strict=True)
    scored = [(cluster, score) for cluster, score in pairs if not math.isnan(score)]
    if not scored:
        return None
    given: dict[str, Any] = {"scores": [score for _, score in scored], "confidence": confidence}
    if any(cluster is not None for cluster, _ in scored):
        given["cluster"] = [cluster for cluster, _ in scored]
    elif (found.counts > 1).any():
        # Repeats that agree are not plain pass/fail: a label a case says so, as `mean_nodes` does.
        given["cluster"] = [f"{number}" for number in range(len(scored))]
    return MethodInput(
        name=node,
        method="mean_score",
        given=given,
        at=("nodes", node),
        fields={"mean": "mean", **INTERVAL},
    )


def comparison_inputs(comparison: Comparison) -> dict[str, MethodInput]:
    """`paired_binary` or `paired_delta` of every node that both runs answered a case of."""
    pairs = comparisons.paired(comparison.candidate, comparison.baseline)
    methods = {node["node"]: node["method"] for node in comparison.nodes}
    found = {}
    for node in pairs.nodes:
        both = [case for case in pairs.cases(node) if case.candidate and case.baseline]
        if both:
            found[node] = _paired_input(comparison, node, methods[node], both)
            if methods[node] == ANYTIME:
                found[node] = _anytime_input(found[node], pairs.largest(node))
    return found


def comparison_input(comparison: Comparison, node: str) -> MethodInput:
    """The input of one node; NotFound names the nodes that have one."""
    found = comparison_inputs(comparison)
    if node not in found:
        known = ", ".join(name for name in found if name) or "none"
        message = f"The comparison has no numbers at {node!r}; it has them at: {known}."
        raise NotFound("no_such_node", message)
    return found[node]


def _paired_input(
    comparison: Comparison, node: str, method: str, cases: Sequence[PairedCase]
) -> MethodInput:
    differences = [
        comparisons.mean(case.candidate) - comparisons.mean(case.baseline) for case in cases
    ]
    given: dict[str, Any] = {"margin": comparison.margin, "confidence": comparison.confidence}
    if method == TANGO:
        given["only_candidate"] = sum(1 for d in differences if d > 0)
        given["only_baseline"] = sum(1 for d in differences if d < 0)
        given["n"] = len(differences)
    else:
        given["d"] = differences
        if any(case.cluster is not None for case in cases):
            given["cluster"] = [case.cluster for case in cases]
    return MethodInput(
        name=node,
        method="paired_binary" if method == TANGO else "paired_delta",
        given=given,
        at=("nodes", node),
        fields={"delta": "delta", **INTERVAL},
    )


def _anytime_input(plain: MethodInput, largest: int | None) -> MethodInput:
    """The same differences, in the order of the looks that stopped the run."""
    given = {name: value for name, value in plain.given.items() if name != "margin"}
    return replace(
        plain,
        method="paired_delta_sequence",
        given={**given, "largest": largest, "running": True},
        fields=INTERVAL,
    )


def whole_comparison_input(comparison: Comparison) -> MethodInput:
    """`compare_nodes` of the whole comparison: every number of every node, Holm included."""
    pairs = comparisons.paired(comparison.candidate, comparison.baseline)
    given: dict[str, Any] = {
        "nodes": {node: [asdict(case) for case in pairs.cases(node)] for node in pairs.nodes},
        "suite_name": str(comparison.candidate.version),
        "margin": comparison.margin,
        "confidence": comparison.confidence,
        "n_unshared": pairs.n_unshared,
    }
    if pairs.ranks is not None:
        given["largest"] = {node: pairs.largest(node) for node in pairs.nodes}
    return MethodInput(
        name=components.ROOT, method="compare_nodes", given=given, fields={"nodes": "nodes"}
    )
