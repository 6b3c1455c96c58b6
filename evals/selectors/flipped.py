"""Cases that one arm of a comparison answered better than the other, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evals import components, outputs
from evals.models import Case, Comparison, Result, Run
from evals.outputs import Output
from evals.selectors import scores
from evals.selectors.comparisons import cases_at, mean
from evals.states import SCORED


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One arm's answer to a flipped case."""

    score: float
    """Mean over the repeats, at the node."""
    state: str
    explanation: str
    output: Output | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FlippedCase:
    """A case on which the two arms differ."""

    case_id: str
    input: Sequence[Mapping[str, Any]]
    target: Any
    candidate: Side
    baseline: Side

    @property
    def delta(self) -> float:
        return self.candidate.score - self.baseline.score


@dataclass(frozen=True, slots=True, kw_only=True)
class Flipped:
    """The cases of a node that moved, the largest moves first."""

    gained: Sequence[FlippedCase]
    """The candidate is better."""
    lost: Sequence[FlippedCase]
    """The candidate is worse."""
    n_gained: int
    n_lost: int


def flipped_cases(comparison: Comparison, node: str = "", limit: int = 50) -> Flipped:
    """The node's cases that the arms scored differently, at most `limit` a way with outputs."""
    deltas = [
        (mean(case.candidate) - mean(case.baseline), case.case_id)
        for case in cases_at(comparison, node)
        if case.candidate and case.baseline
    ]
    gained = sorted((-delta, case_id) for delta, case_id in deltas if delta > 0)
    lost = sorted((delta, case_id) for delta, case_id in deltas if delta < 0)
    wanted = [case_id for _, case_id in (*gained[:limit], *lost[:limit])]
    shown = _side_by_side(comparison, node, wanted)
    return Flipped(
        gained=[shown[case_id] for _, case_id in gained[:limit]],
        lost=[shown[case_id] for _, case_id in lost[:limit]],
        n_gained=len(gained),
        n_lost=len(lost),
    )


def _side_by_side(
    comparison: Comparison, node: str, case_ids: Sequence[str]
) -> dict[str, FlippedCase]:
    ours = _sides(comparison.candidate, node, case_ids)
    theirs = _sides(comparison.baseline, node, case_ids)
    cases = Case.objects.filter(version=comparison.candidate.version_id, case_id__in=case_ids)
    return {
        case.case_id: FlippedCase(
            case_id=case.case_id,
            input=case.input,
            target=case.target,
            candidate=ours[case.case_id],
            baseline=theirs[case.case_id],
        )
        for case in cases
    }


def _sides(run: Run, node: str, case_ids: Sequence[str]) -> dict[str, Side]:
    """One side a case: the mean over its repeats, shown by the first of them."""
    found: dict[str, list[Result]] = {}
    rows = Result.objects.filter(
        run=run, case__case_id__in=case_ids, state__in=[state.value for state in SCORED]
    )
    for result in rows.select_related("case").order_by("repeat"):
        found.setdefault(result.case.case_id, []).append(result)
    return {case_id: _side(results, node) for case_id, results in found.items()}


def _side(results: Sequence[Result], node: str) -> Side:
    at_node = [scores.node_scores(r.score, r.components)[node] for r in results]
    first = results[0]
    return Side(
        score=mean(at_node),
        state=first.state,
        explanation=_explanation(first, node),
        output=outputs.unpack(first.output),
    )


def _explanation(result: Result, node: str) -> str:
    """What the graders said of the labels at or below the node; of the whole at the root."""
    if node == components.ROOT:
        return str(result.explanation)
    below = {
        label: share["explanation"]
        for label, share in sorted(result.components.items())
        if components.is_within(label, node)
    }
    if len(below) == 1:
        return str(next(iter(below.values())))
    return "; ".join(f"{label}: {said}" for label, said in below.items() if said)
