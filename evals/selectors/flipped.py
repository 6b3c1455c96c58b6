"""Cases that one arm of a comparison answered better than the other, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from evals import components, outputs
from evals.models import Case, Comparison, Result, Run
from evals.outputs import Output
from evals.selectors import scores
from evals.selectors.comparisons import PairedRuns, mean
from evals.states import SCORED
from infra.errors import NotFound


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What the graders said of one component of an answer."""

    label: str
    score: float | None
    explanation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One arm's answer to a flipped case."""

    score: float
    """Mean over the repeats, at the node."""
    state: str
    explanation: str
    output: Output | None
    shares: Sequence[Share] = ()
    """Of the answer that is shown, by component."""
    repeats: Sequence[float] = ()
    """The score of each repeat at the node; the first one's answer is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlippedCase:
    """A case on which the two arms differ."""

    case_id: str
    input: Sequence[Mapping[str, Any]]
    target: Any
    candidate: Side
    baseline: Side
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def delta(self) -> float:
        return self.candidate.score - self.baseline.score


class Way(StrEnum):
    """In which direction a case moved."""

    LOST = "lost"
    """The candidate is worse."""
    GAINED = "gained"
    """The candidate is better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """The cases of a node that moved one way: their ids, the largest moves first."""

    comparison: Comparison
    node: str
    case_ids: Sequence[str]
    deltas: Sequence[float]
    """By how much each moved, candidate less baseline."""

    def __len__(self) -> int:
        return len(self.case_ids)

    def __getitem__(self, part: slice) -> list[FlippedCase]:
        """Those of one page, with what was asked and answered."""
        wanted = self.case_ids[part]
        shown = _side_by_side(self.comparison, self.node, wanted)
        return [shown[case_id] for case_id in wanted]


def moved_cases(comparison: Comparison, pairs: PairedRuns, node: str = "") -> dict[Way, Moved]:
    """The node's cases that the arms scored differently, both ways.

    Each list may be sliced, or paged by Django's paginator; only what is shown is read.
    """
    import numpy as np  # only where numbers are made

    table, members = pairs.table(node), pairs.members(node)
    deltas = table.candidate - table.baseline
    names = [pairs.ours.keys.case_ids[pairs.shared[place]] for place in members.tolist()]

    def ordered(sign: float) -> Moved:
        moves = np.flatnonzero(sign * deltas > 0).tolist()
        first = sorted(moves, key=lambda at: (-sign * deltas[at], names[at]))
        return Moved(
            comparison=comparison,
            node=node,
            case_ids=[names[at] for at in first],
            deltas=[float(deltas[at]) for at in first],
        )

    return {Way.LOST: ordered(-1.0), Way.GAINED: ordered(1.0)}


def side_by_side(comparison: Comparison, node: str, case_id: str) -> FlippedCase:
    """That case, whether it moved or not; NotFound when one arm has no score for it."""
    try:
        return _side_by_side(comparison, node, [case_id])[case_id]
    except KeyError as error:
        message = f"Case {case_id!r} was not compared: no case of that id has both scores."
        raise NotFound("no_such_case", message) from error


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
            metadata=case.metadata,
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
    found = [scores.node_scores(r.score, r.components) for r in results]
    at_node = [score[node] for score in found if node in score]
    first = results[0]
    return Side(
        score=mean(at_node),
        state=first.state,
        explanation=_explanation(first, node),
        output=outputs.unpack(first.output),
        shares=_shares(first, node),
        repeats=at_node,
    )


def _shares(result: Result, node: str) -> list[Share]:
    """The labels at or below the node, by name."""
    return [
        Share(label=label, score=share.get("score"), explanation=str(share.get("explanation", "")))
        for label, share in sorted(result.components.items())
        if components.is_within(label, node)
    ]


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
