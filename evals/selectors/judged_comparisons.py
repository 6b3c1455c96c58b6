"""A comparison as people are shown it: what rests on a judge is corrected, or not known."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from evals import components
from evals.models import Calibration, Comparison, SuiteVersion
from evals.selectors import judged, judges
from evals.selectors.comparisons import comparison_with_id, nodes_of
from evals.selectors.judged import Correction, JudgeUse
from infra.errors import InvalidMove

Node = Mapping[str, Any]
MOST_KEPT = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownComparison:
    """The nodes of a comparison as they may be read."""

    nodes: Sequence[Node]
    """With `note`: where a node's numbers come from when they are not the scores alone, or ""."""
    judges: Sequence[str]
    """The judges that some of the scores come from."""
    problem: str
    """Why differences that rest on them are not known; empty when they are corrected."""


def shown(comparison: Comparison, now: datetime) -> ShownComparison:
    """Nodes that rest on a judge with the wider interval that people's labels leave.

    While a judge is unfit, or labels are missing, such a node has no difference: its judge's own
    is no evidence. The arms' means of such nodes are the judge's, and left out.
    """
    references = _references(comparison.candidate.version_id)
    if not references:
        plain = [{**node, "note": ""} for node in comparison.nodes]
        return ShownComparison(nodes=plain, judges=(), problem="")
    correction, problem = _correction(comparison, now)
    from releases.statistics import judged_nodes  # SciPy: only where numbers are made

    found = judged_nodes.judged_again(
        nodes_of(comparison),
        {label: one.result for label, one in correction.nodes.items()},
        correction.missing,
        suite_name=str(comparison.candidate.version),
        margin=comparison.margin,
        confidence=comparison.confidence,
    )
    nodes = [_shown(node, found[node["node"]], correction) for node in comparison.nodes]
    return ShownComparison(nodes=nodes, judges=references, problem=problem)


@functools.lru_cache(maxsize=1024)
def _references(version_id: UUID) -> tuple[str, ...]:
    """The judges that a version names; published versions never change."""
    return tuple(judges.references_of(SuiteVersion.objects.get(pk=version_id)))


def _correction(comparison: Comparison, now: datetime) -> tuple[Correction, str]:
    try:
        uses = judged.uses_of(comparison.candidate, now)
        return _corrected(comparison.pk, tuple(use.calibration.pk for use in uses)), ""
    except InvalidMove as unfit:
        return _unknown(comparison, unfit.message), unfit.message


@functools.lru_cache(maxsize=MOST_KEPT)
def _corrected(comparison_id: UUID, calibration_ids: tuple[UUID, ...]) -> Correction:
    """Neither results nor the labels that a calibration has seen ever change."""
    comparison = comparison_with_id(comparison_id)
    rows = Calibration.objects.select_related("version__judge").in_bulk(calibration_ids)
    uses = [JudgeUse(version=rows[pk].version, calibration=rows[pk]) for pk in calibration_ids]
    return judged.corrected_deltas(
        comparison.candidate, comparison.baseline, uses, comparison.confidence
    )


def _unknown(comparison: Comparison, problem: str) -> Correction:
    """Nothing that a judge has a part in is known."""
    sentence = problem.rstrip(".")
    try:
        labels = judged.resting_nodes(comparison.candidate)
    except InvalidMove:
        labels = {node["node"] for node in comparison.nodes}
    missing = {label: f"{_name(comparison, label)}: {sentence}" for label in labels}
    return Correction(nodes={}, missing=missing, uses=())


def _name(comparison: Comparison, label: str) -> str:
    return label or str(comparison.candidate.version)


def _shown(node: Node, found: Node, correction: Correction) -> dict[str, Any]:
    label = node["node"]
    if label not in correction.nodes and label not in correction.missing:
        adjusted = {f"p_{name}_holm": found[f"adjusted_p_{name}"] for name in _ADJUSTED}
        same = {name: found[name] for name in _CONCLUDED}
        return {**node, **same, **adjusted, "note": ""}
    one = correction.nodes.get(label)
    held = one is not None and found["delta"] is not None
    return {
        **node,
        **{name: found[name] for name in (*_MADE_AGAIN, *_CONCLUDED)},
        **{f"p_{name}_holm": found[f"adjusted_p_{name}"] for name in _ADJUSTED},
        "method": None,
        "candidate_mean": None,
        "baseline_mean": None,
        "se": one.result.se if one is not None and held else None,
        "p_noninferior": None,
        "note": one.note if one is not None and held else "",
        "sentence": f"{found['sentence'].rstrip('.')} [{one.note}]"
        if one is not None and held
        else found["sentence"].rstrip("."),
    }


_ADJUSTED = ("regression", "worse")
_CONCLUDED = ("verdict", "corrected_verdict", "doubt", "sentence")
_MADE_AGAIN = (
    *("delta", "lo", "hi", "mde", "p_better", "p_worse", "p_regression"),
    *("cases_to_settle", "is_hopeless"),
)


def root_of(nodes: Sequence[Node]) -> Node:
    """The whole suite's node."""
    return next(node for node in nodes if node["node"] == components.ROOT)
