"""What people's labels make of the scores that a judge gave: per node, with the wider interval."""

from __future__ import annotations

from collections.abc import Sequence

from evals.models import Run
from evals.selectors.judged.cases import judged_cases
from evals.selectors.judged.correcting import (
    Corrected,
    Correction,
    delta_row,
    mean_row,
    settle,
)
from evals.selectors.judged.uses import JudgeUse, uses_of
from releases.replay.method_inputs import INTERVAL, MethodInput

__all__ = [
    "Corrected",
    "Correction",
    "JudgeUse",
    "corrected_deltas",
    "corrected_means",
    "method_inputs",
    "resting_nodes",
    "uses_of",
]


def corrected_means(run: Run, uses: Sequence[JudgeUse], confidence: float) -> Correction:
    """The mean of each node that rests on a judge."""
    cases = list(judged_cases(run, uses).values())
    nodes: dict[str, Corrected] = {}
    missing: dict[str, str] = {}
    for node in sorted({node for case in cases for node in case.rests}):
        held = [case for case in cases if case.scores.get(node)]
        rows = [mean_row(case, node) for case in held]
        plain = all(case.is_plain.get(node) for case in held)
        settle(
            node, rows, uses, plain, ("judged_mean", "borrowed_mean"), confidence, nodes, missing
        )
    return Correction(nodes=nodes, missing=missing, uses=uses)


def corrected_deltas(
    candidate: Run, baseline: Run, uses: Sequence[JudgeUse], confidence: float
) -> Correction:
    """The paired difference of each node that rests on a judge; both arms of a case labelled."""
    ours, theirs = judged_cases(candidate, uses), judged_cases(baseline, uses)
    pairs = [(ours[key], theirs[key]) for key in ours if key in theirs]
    nodes: dict[str, Corrected] = {}
    missing: dict[str, str] = {}
    for node in sorted({node for pair in pairs for case in pair for node in case.rests}):
        held = [pair for pair in pairs if all(case.scores.get(node) for case in pair)]
        rows = [delta_row(*pair, node) for pair in held]
        plain = all(case.is_plain.get(node) for pair in held for case in pair)
        methods = ("judged_delta", "borrowed_delta")
        settle(node, rows, uses, plain, methods, confidence, nodes, missing)
    return Correction(nodes=nodes, missing=missing, uses=uses)


def method_inputs(
    correction: Correction, estimate: str, at: tuple[str, ...] = ()
) -> dict[str, MethodInput]:
    """What the corrected numbers were computed from; `estimate` is their name in the evidence."""
    return {
        node: MethodInput(
            name=node,
            method=found.method,
            given=found.given,
            at=(*at, "nodes", node),
            fields={"est": estimate, **INTERVAL},
        )
        for node, found in correction.nodes.items()
    }


def resting_nodes(run: Run) -> set[str]:
    """Nodes that a judge has a part in; InvalidMove where a judge shares a component."""
    return {node for case in judged_cases(run, ()).values() for node in case.rests}
