"""Mean score of one checkpoint on every node of a suite, with intervals and sentences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from releases.statistics import inputs
from releases.statistics.inputs import Floats
from releases.statistics.mean_score import mean_score
from releases.statistics.verdicts import is_sufficient
from releases.statistics.wording import mean_sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredCase:
    """One case as one checkpoint answered it."""

    case_id: str
    """Identifies the case within the node."""
    scores: tuple[float, ...]
    """Scores in 0..1, one a sample; empty when lost to an infrastructure failure."""
    cluster: str | None = None
    """Document, conversation or template the case belongs to; None for a case of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredTable:
    """The cases of a node as arrays, averaged within the case."""

    scores: Floats
    """Mean score a case in 0..1, shape (n,); NaN when missing."""
    clusters: Sequence[str | None]
    """Cluster a case; None for a case of its own."""
    has_repeats: bool
    """Whether a case has more than one scored sample."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeMean:
    """Mean score of one node with its interval, in 0..1."""

    node: str
    """Label of the node; empty for the root."""
    n: int
    """Cases with a score."""
    n_clusters: int
    """Clusters of those cases; equal to n when none are named."""
    n_missing: int
    """Cases lost to infrastructure failures."""
    mean: float | None
    """Mean over the cases; None without one."""
    lo: float | None
    """Lower end; None without a case, or with fewer than two clusters of graded scores."""
    hi: float | None
    """Upper end; None as the lower one."""
    method: str | None
    """`wilson` or `cr2`; None without a case."""
    is_sufficient: bool
    """Whether there are the 10 cases and 5 clusters that a gate needs."""
    sentence: str
    """One plain sentence."""


def mean_nodes(
    nodes: Mapping[str, Sequence[ScoredCase]], *, suite_name: str, confidence: float = 0.95
) -> dict[str, NodeMean]:
    """Return the mean of every node, in the order given; samples are averaged within the case.

    `nodes` maps a label ("" is the root, shown as the suite's name) to its cases. Wilson's
    interval for single pass/fail samples without clusters, CR2-t with the sparse guard otherwise.
    Raises ValueError naming the field, the case and the node.
    """
    tables = {node: _table(node, cases) for node, cases in nodes.items()}
    return mean_tables(tables, suite_name=suite_name, confidence=confidence)


def mean_tables(
    nodes: Mapping[str, ScoredTable], *, suite_name: str, confidence: float = 0.95
) -> dict[str, NodeMean]:
    """As mean_nodes, from cases that are averaged already."""
    return {
        node: _node_mean(node, node or suite_name, table, confidence)
        for node, table in nodes.items()
    }


def _table(node: str, cases: Sequence[ScoredCase]) -> ScoredTable:
    _check_unique(node, cases)
    return ScoredTable(
        scores=np.array([_case_mean(node, case) if case.scores else np.nan for case in cases]),
        clusters=[case.cluster for case in cases],
        has_repeats=any(len(case.scores) > 1 for case in cases),
    )


def _node_mean(node: str, name: str, table: ScoredTable, confidence: float) -> NodeMean:
    kept = np.flatnonzero(~np.isnan(table.scores))
    n_missing = len(table.scores) - len(kept)
    if not kept.size:
        return _without_cases(node, name, n_missing)
    scored = [table.clusters[i] for i in kept.tolist()]
    has_clusters = any(cluster is not None for cluster in scored)
    clusters = scored if has_clusters else None
    # Repeats that agree look like plain pass/fail; a label a case keeps them off Wilson.
    is_graded = table.has_repeats and not has_clusters
    labels = [f"{i}" for i in range(len(kept))] if is_graded else clusters
    result = mean_score(table.scores[kept], labels, confidence)
    n_clusters = len(set(inputs.cluster_codes("cluster", clusters, len(kept)).tolist()))
    return NodeMean(
        node=node,
        n=len(kept),
        n_clusters=n_clusters,
        n_missing=n_missing,
        mean=result.mean,
        lo=result.lo,
        hi=result.hi,
        method=result.method,
        is_sufficient=is_sufficient(len(kept), n_clusters),
        sentence=mean_sentence(name, result.mean, result.lo, result.hi, len(kept), confidence),
    )


def _without_cases(node: str, name: str, n_missing: int) -> NodeMean:
    return NodeMean(
        node=node,
        n=0,
        n_clusters=0,
        n_missing=n_missing,
        mean=None,
        lo=None,
        hi=None,
        method=None,
        is_sufficient=False,
        sentence=f"{name}: 0 cases, nothing to average",
    )


def _case_mean(node: str, case: ScoredCase) -> float:
    first = case.scores[0]
    if len(case.scores) == 1 and type(first) is float and 0.0 <= first <= 1.0:
        # Nearly every case of a large run, a tenth of the work.
        return first
    try:
        return float(inputs.numbers("scores", case.scores, at_least=0.0, at_most=1.0).mean())
    except ValueError as error:
        raise ValueError(f"{error} (case {case.case_id!r} of node {node!r})") from error


def _check_unique(node: str, cases: Sequence[ScoredCase]) -> None:
    seen: set[str] = set()
    for case in cases:
        if case.case_id in seen:
            raise ValueError(f"case_id: {case.case_id!r} occurs twice in node {node!r}")
        seen.add(case.case_id)
