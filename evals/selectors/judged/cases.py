"""Cases of a run as a judge scored them, and as people would have: one grader's part exchanged.

A labelled output's score is made again with the raters' mean in the judge's place, so other graders
and the tree count as they always do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from evals import components, graders, judging
from evals.graders.judge import TYPE
from evals.models import Case, LabelItem, Result, Run
from evals.selectors import judges
from evals.selectors.judged.uses import JudgeUse
from evals.selectors.scores import node_scores
from evals.selectors.suites import graded_case
from evals.states import SCORED, ResultState
from infra.errors import InvalidMove

_SCORED = [state.value for state in SCORED]
Key = tuple[str, str]


@dataclass(slots=True, kw_only=True)
class JudgedCase:
    """One case of a run with a score: as judged, and as people labelled it."""

    cluster: str | None
    scores: dict[str, list[float]] = field(default_factory=dict)
    """Per node, one a scored repeat."""
    labelled: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    """Per node, (by people, by the judge), one a labelled repeat."""
    rests: set[str] = field(default_factory=set)
    """Nodes of this case that a judge has a part in."""
    is_plain: dict[str, bool] = field(default_factory=dict)
    """Per node, whether its score is one judge's pass or fail and nothing else."""


def judged_cases(run: Run, uses: Sequence[JudgeUse]) -> dict[Key, JudgedCase]:
    """Every scored case of the run by id and content."""
    said = {str(use.version): _said(run, use) for use in uses}
    cases = {case.pk: case for case in Case.objects.filter(version_id=run.version_id)}
    specs = {pk: _specs(run, case) for pk, case in cases.items()}
    found: dict[Key, JudgedCase] = {}
    fields = ("pk", "case_id", "state", "score", "components")
    rows = Result.objects.filter(run=run, state__in=_SCORED).order_by("case__position", "repeat")
    for pk, case_pk, state, score, shares in rows.values_list(*fields).iterator():
        case = cases[case_pk]
        one = found.setdefault(
            (case.case_id, case.digest), JudgedCase(cluster=case.cluster or None)
        )
        _add(one, specs[case_pk], (pk, state, score, shares), said)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Specs:
    """The graders of one case, as far as judges are concerned."""

    judged: Sequence[tuple[str, tuple[str, ...], float]]
    """(reference, labels, weight) of each judge."""
    weight: float
    """Of all graders together."""


def _specs(run: Run, case: Case) -> _Specs:
    graded = graded_case(case)
    specs = graders.of_case(run.version.graders, graded)
    labels = [(spec, graders.get(spec["type"]).labels(spec, graded)) for spec in specs]
    judged = [
        (spec["judge"], own, float(spec.get("weight", 1.0)))
        for spec, own in labels
        if spec["type"] == TYPE
    ]
    for reference, own, _ in judged:
        shared = [spec for spec, other in labels if set(other) & set(own)]
        if len(shared) > 1 or not own:
            message = (
                f"Judge {reference} has no component of its own on case {case.case_id}: give it "
                "`components` that no other grader scores."
            )
            raise InvalidMove("judge_component_shared", message)
    return _Specs(judged=judged, weight=sum(float(spec.get("weight", 1.0)) for spec in specs))


def _add(
    one: JudgedCase,
    specs: _Specs,
    row: tuple[UUID, str, float, Mapping[str, Mapping[str, Any]]],
    said: Mapping[str, Mapping[UUID, float]],
) -> None:
    """One result: its scores, and beside them what people make of it when they labelled it."""
    pk, state, score, shares = row
    judged = node_scores(score, shares)
    for node, value in judged.items():
        one.scores.setdefault(node, []).append(value)
    is_by_policy = state == ResultState.REFUSED.value
    mine = [(labels, weight, said.get(name, {}).get(pk)) for name, labels, weight in specs.judged]
    _mark(one, specs, judged, is_by_policy)
    if not mine or any(told is None for _, _, told in mine):
        return
    if is_by_policy:
        people = judged
    else:
        people = _by_people(score, shares, mine, specs.weight)
    for node, value in people.items():
        one.labelled.setdefault(node, []).append((value, judged[node]))


def _mark(one: JudgedCase, specs: _Specs, judged: Mapping[str, float], is_by_policy: bool) -> None:
    """Which of the result's nodes rest on a judge, and which on nothing else."""
    judges_labels = {label for _, labels, _ in specs.judged for label in labels}
    for node, value in judged.items():
        below = {label for label in judges_labels if components.is_within(label, node)}
        if not below:
            continue
        one.rests.add(node)
        alone = len(specs.judged) == 1 and value in (0.0, 1.0) and not is_by_policy
        others = specs.weight != sum(weight for _, _, weight in specs.judged)
        is_plain = alone and not (others and node not in judges_labels)
        one.is_plain[node] = is_plain and one.is_plain.get(node, True)


def _by_people(
    score: float,
    shares: Mapping[str, Mapping[str, Any]],
    mine: Sequence[tuple[tuple[str, ...], float, float | None]],
    weight: float,
) -> dict[str, float]:
    """The nodes' scores with the raters' mean in place of each judge's."""
    changed, whole = dict(shares), score
    for labels, own_weight, told in mine:
        if told is None:
            raise ValueError("an output without a label has no score by people")
        whole += own_weight * (told - float(shares[labels[0]]["score"])) / weight
        changed |= {label: {**shares[label], "score": told} for label in labels}
    return node_scores(min(1.0, max(0.0, whole)), changed)


def _said(run: Run, use: JudgeUse) -> dict[UUID, float]:
    """Result -> the raters' mean score, of the labels that the calibration has seen.

    A result that the suite's policy scored was drawn too and is known without asking anybody.
    """
    judge = use.version.judge
    labels = judges.labels_of(judge, use.calibration.labels_until)
    found: dict[UUID, float] = {}
    items = LabelItem.objects.filter(judge=judge, run=run)
    for pk, result_pk, is_asked in items.values_list("pk", "result_id", "is_asked"):
        if not is_asked:
            found[result_pk] = 0.0
        elif pk in labels:
            chosen = [label.choice for label in labels[pk]]
            found[result_pk] = judging.consensus(chosen, judge.scores).score
    return found
