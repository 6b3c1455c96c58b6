"""One node corrected: by labels of its own outputs where they are enough, else by error rates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evals.models import Calibration
from evals.selectors.comparisons import mean
from evals.selectors.judged.cases import JudgedCase
from evals.selectors.judged.uses import JudgeUse

if TYPE_CHECKING:
    from releases.statistics.judged import Judged


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrected:
    """One node after the labels."""

    result: Judged
    method: str
    given: Mapping[str, Any]
    n_labelled: int
    n_judged: int
    note: str
    """Where the numbers come from, as a clause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """Every node that rests on a judge: corrected, or why it can't be."""

    nodes: Mapping[str, Corrected]
    missing: Mapping[str, str]
    """Nodes that labels are missing for, each with a sentence."""
    uses: Sequence[JudgeUse]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One case at one node: what the judge says everywhere, and both where people labelled."""

    cluster: str | None
    judged: float
    labelled: tuple[float, float] | None


def mean_row(case: JudgedCase, node: str) -> Row:
    return Row(cluster=case.cluster, judged=mean(case.scores[node]), labelled=_labelled(case, node))


def delta_row(ours: JudgedCase, theirs: JudgedCase, node: str) -> Row:
    a, b = _labelled(ours, node), _labelled(theirs, node)
    return Row(
        cluster=ours.cluster,
        judged=mean(ours.scores[node]) - mean(theirs.scores[node]),
        labelled=(a[0] - b[0], a[1] - b[1]) if a and b else None,
    )


def _labelled(case: JudgedCase, node: str) -> tuple[float, float] | None:
    found = case.labelled.get(node)
    return (mean([y for y, _ in found]), mean([f for _, f in found])) if found else None


def settle(
    node: str,
    rows: Sequence[Row],
    uses: Sequence[JudgeUse],
    plain: bool,
    methods: tuple[str, str],
    confidence: float,
    nodes: dict[str, Corrected],
    missing: dict[str, str],
) -> None:
    """By the labels of these very outputs when they are enough, else by those of other ones."""
    n_labelled = sum(row.labelled is not None for row in rows)
    needed = max(use.version.judge.min_labels for use in uses)
    if n_labelled >= needed:
        given: dict[str, Any] = _own(rows)
        method = methods[0]
    elif plain and len(uses) == 1:
        given, method = _borrowed(rows, uses[0].calibration), methods[1]
    else:
        whose = ", ".join(str(use.version) for use in uses)
        missing[node] = (
            f"{node or 'the whole suite'} rests on judge {whose}, and {n_labelled} of its "
            f"{len(rows)} cases are labelled; {needed} are needed before it can pass or block"
        )
        return
    try:
        result = _call(method, {**given, "confidence": confidence})
    except ValueError as problem:
        missing[node] = f"{node or 'the whole suite'} can't be corrected: {problem}"
        return
    nodes[node] = Corrected(
        result=result,
        method=method,
        given={**given, "confidence": confidence},
        n_labelled=n_labelled,
        n_judged=len(rows),
        note=_note(method, uses, n_labelled, len(rows), result),
    )


def _own(rows: Sequence[Row]) -> dict[str, Any]:
    labelled = [row for row in rows if row.labelled is not None]
    rest = [row for row in rows if row.labelled is None]
    given: dict[str, Any] = {
        "human": [row.labelled[0] for row in labelled if row.labelled],
        "judge": [row.labelled[1] for row in labelled if row.labelled],
        "judge_rest": [row.judged for row in rest],
    }
    if any(row.cluster is not None for row in rows):
        given["cluster"] = [row.cluster for row in labelled]
        given["cluster_rest"] = [row.cluster for row in rest]
    return given


def _borrowed(rows: Sequence[Row], calibration: Calibration) -> dict[str, Any]:
    given: dict[str, Any] = {"judge": [row.judged for row in rows]}
    for name in ("true_pos", "positives", "true_neg", "negatives"):
        given[name] = getattr(calibration, name)
    if any(row.cluster is not None for row in rows):
        given["cluster"] = [row.cluster for row in rows]
    return given


def _call(method: str, given: Mapping[str, Any]) -> Judged:
    from releases.statistics import judged  # SciPy: only where numbers are made

    found: Judged = getattr(judged, method)(**given)
    return found


def _note(
    method: str, uses: Sequence[JudgeUse], n_labelled: int, n_judged: int, result: Judged
) -> str:
    whose = ", ".join(str(use.version) for use in uses)
    if method.startswith("borrowed"):
        (use,) = uses
        n = use.calibration.n_items
        return f"judge {whose}, corrected by its error rates on {n} labelled outputs"
    worth = f", worth about {result.n_effective:.0f}" if result.n_effective else ""
    return f"judge {whose}, corrected by {n_labelled} human labels of {n_judged} cases{worth}"
