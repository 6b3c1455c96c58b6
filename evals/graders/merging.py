"""Several graders' grades of one sample made one: weighted means, the worst state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evals.graders.contract import ComponentGrade, Grade
from evals.states import ResultState


def merged(specs: Sequence[Mapping[str, Any]], grades: Sequence[Grade]) -> Grade:
    """Weighted means per component and over all; passed only when every scoring grader passed."""
    if len(grades) == 1:
        return grades[0]
    scored = [
        (spec.get("weight", 1.0), grade.score, grade)
        for spec, grade in zip(specs, grades, strict=True)
        if grade.score is not None
    ]
    said = "; ".join(grade.explanation for grade in grades if grade.explanation)
    if not scored:
        return Grade(state=ResultState.UNSCORED, score=None, explanation=said)
    shares: dict[str, list[tuple[float, ComponentGrade]]] = {}
    for weight, _, grade in scored:
        for label, share in grade.components.items():
            shares.setdefault(label, []).append((weight, share))
    return Grade(
        state=_worst([grade.state for _, _, grade in scored]),
        score=_weighted_mean([(weight, score) for weight, score, _ in scored]),
        components={label: _blend(parts) for label, parts in sorted(shares.items())},
        explanation=said,
        parsed=all(grade.parsed for _, _, grade in scored),
    )


def _worst(states: Sequence[ResultState]) -> ResultState:
    for state in (ResultState.REFUSED, ResultState.FAILED):
        if state in states:
            return state
    return ResultState.PASSED


def _weighted_mean(weighted: Sequence[tuple[float, float]]) -> float:
    return sum(weight * score for weight, score in weighted) / sum(w for w, _ in weighted)


def _blend(parts: Sequence[tuple[float, ComponentGrade]]) -> ComponentGrade:
    return ComponentGrade(
        score=_weighted_mean([(weight, share.score) for weight, share in parts]),
        explanation="; ".join(share.explanation for _, share in parts if share.explanation),
    )
