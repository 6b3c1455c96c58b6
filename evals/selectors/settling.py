"""What a suite's past tells of what its cases can settle."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from evals.models import Comparison, SuiteVersion
from evals.selectors.scores import expected_nodes
from evals.states import RunState
from releases.statistics import planning

ASSUMED_DISAGREEMENT = 0.1
NEWEST_COMPARISONS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFacts:
    """One node of a suite's version, and how much two checkpoints differ on a case of it."""

    label: str
    n: int
    n_clusters: int
    variance: float
    """Of the differences a case, clusters counted in; scores in 0..1."""
    basis: str
    """Where the variance comes from, as a sentence without its full stop."""


def node_facts(version: SuiteVersion, label: str) -> NodeFacts:
    """From past comparisons on the suite; without any, pass or fail and 10% disagreement."""
    n, n_clusters = _sizes(version).get(label, (0, 0))
    seen = _variances(version, label)
    if not seen:
        assumed = f"{ASSUMED_DISAGREEMENT:.0%} of the cases"
        basis = f"Assumed: two checkpoints differ on {assumed}, as none were compared yet"
        return NodeFacts(
            label=label, n=n, n_clusters=n_clusters, variance=ASSUMED_DISAGREEMENT, basis=basis
        )
    how_many = f"{len(seen)} comparisons" if len(seen) > 1 else "comparison"
    variance = sum(seen) / len(seen)
    basis = f"As in the last {how_many}, where differences had a variance of {variance:.3g}"
    return NodeFacts(label=label, n=n, n_clusters=n_clusters, variance=variance, basis=basis)


def clears(floor: float, n: int, confidence: float) -> float | None:
    """The true share whose lower bound clears the floor 4 times in 5; None when none does.

    Scores are shares of 1, whose variance is at most that of pass or fail.
    """
    z = planning.z_sum(confidence, planning.POWER)
    # The share m with m - floor = z * sqrt(m (1 - m) / n): the upper root of a quadratic.
    spread = z * z / n
    a, b, c = 1 + spread, -(2 * floor + spread), floor * floor
    share = (-b + math.sqrt(max(0.0, b * b - 4 * a * c))) / (2 * a)
    best = n / (n + planning.NORMAL.inv_cdf((1 + confidence) / 2) ** 2)
    return share if best > floor else None


def _sizes(version: SuiteVersion) -> dict[str, tuple[int, int]]:
    """Cases and clusters of each node: as the newest completed run counted them, or as labelled."""
    run = version.runs.filter(state=RunState.COMPLETED.value, ended_because="").first()
    if run is not None:
        rows = run.metrics.values_list("node", "n_cases", "n_missing", "n_clusters")
        return {node: (n + missing, clusters) for node, n, missing, clusters in rows}
    cases: dict[str, int] = {}
    clusters: dict[str, set[Any]] = {}
    for case in version.cases.all():
        for node in expected_nodes(case, version.graders):
            cases[node] = cases.get(node, 0) + 1
            clusters.setdefault(node, set()).add(case.cluster or case.pk)
    return {node: (n, len(clusters[node])) for node, n in cases.items()}


def _variances(version: SuiteVersion, label: str) -> list[float]:
    """Of the differences a case, in the newest comparisons on any version of the suite."""
    newest = Comparison.objects.filter(baseline__version__suite=version.suite)
    found = []
    for nodes in newest.order_by("-compared_at").values_list("nodes", flat=True)[:20]:
        node = next((node for node in nodes if node["node"] == label), None)
        se = node.get("se") if node else None
        if node and isinstance(se, float) and se > 0:
            found.append(node["n"] * se * se)
    return found[:NEWEST_COMPARISONS]
