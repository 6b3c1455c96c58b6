"""The comparison of a whole suite as JSON rows in, JSON rows out."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from releases.statistics import checks
from releases.statistics.comparison import NodeComparison, compare_nodes
from releases.statistics.paired_cases import PairedCase

_FIELDS = frozenset({"case_id", "candidate", "baseline", "cluster"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedRows:
    """Every node of a comparison."""

    nodes: tuple[dict[str, Any], ...]
    """The fields of `NodeComparison` a node, in the order given; infinities as "inf", "-inf"."""


def compare_rows(
    nodes: Mapping[str, Sequence[Mapping[str, Any]]],
    suite_name: str,
    margin: float,
    n_unshared: Mapping[str, int] | None = None,
    confidence: float = 0.95,
    largest: Mapping[str, int] | None = None,
) -> ComparedRows:
    """Compare on every node; `nodes` maps a label to rows of case_id, candidate, baseline, cluster.

    `largest` is that of a run which was stopped by looking at it; see `compare_nodes`. Raises
    ValueError naming the field.
    """
    if not isinstance(nodes, Mapping):
        raise ValueError("nodes: must be an object of node label to cases")
    if not isinstance(suite_name, str):
        raise ValueError(f"suite_name: must be text, got {suite_name!r}")
    found = compare_nodes(
        {
            str(node): [_case(node, i, row) for i, row in _rows(node, rows)]
            for node, rows in nodes.items()
        },
        suite_name=suite_name,
        margin=margin,
        n_unshared=_counts("n_unshared", n_unshared),
        confidence=confidence,
        largest=_counts("largest", largest),
    )
    return ComparedRows(nodes=tuple(_as_json(one) for one in found.values()))


def _counts(field: str, given: Any) -> dict[str, int] | None:
    if given is None:
        return None
    if not isinstance(given, Mapping):
        raise ValueError(f"{field}: must be an object of node label to a count")
    return {node: checks.count(field, n) for node, n in given.items()}


def _rows(node: str, rows: Any) -> Any:
    if not isinstance(rows, list | tuple):
        raise ValueError(f"nodes[{node!r}]: must be a list of cases")
    return enumerate(rows)


def _case(node: str, at: int, row: Any) -> PairedCase:
    where = f"nodes[{node!r}][{at}]"
    if not isinstance(row, Mapping) or not _FIELDS >= set(row) >= _FIELDS - {"cluster"}:
        raise ValueError(f"{where}: must have case_id, candidate, baseline and may have cluster")
    for arm in ("candidate", "baseline"):
        if not isinstance(row[arm], list | tuple):
            raise ValueError(f"{where}: {arm} must be a list of scores")
    return PairedCase(
        case_id=str(row["case_id"]),
        candidate=tuple(row["candidate"]),
        baseline=tuple(row["baseline"]),
        cluster=row.get("cluster"),
    )


def _as_json(node: NodeComparison) -> dict[str, Any]:
    return {
        name: str(value) if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in asdict(node).items()
    }
