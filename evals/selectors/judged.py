"""What people's labels make of the scores that a judge gave: per node, with the wider interval.

A labelled output's score is made again with the raters' mean in the judge's place, so other graders
and the tree count as they always do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from evals import components, graders, judging
from evals.graders.judge import TYPE
from evals.models import Calibration, Case, JudgeVersion, LabelItem, Result, Run
from evals.selectors import judges
from evals.selectors.comparisons import mean
from evals.selectors.scores import node_scores
from evals.selectors.suites import graded_case
from evals.states import SCORED, ResultState
from infra.errors import InvalidMove
from releases.replay.method_inputs import INTERVAL, MethodInput

if TYPE_CHECKING:
    from releases.statistics.judged import Judged

_SCORED = [state.value for state in SCORED]
Key = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeUse:
    """A judge's version as a suite names it, with the calibration that stands."""

    version: JudgeVersion
    calibration: Calibration

    def as_dict(self) -> dict[str, Any]:
        found = self.calibration
        return {
            "judge": str(self.version),
            "calibration": str(found.pk),
            "n_labelled": found.n_items,
            "kappa": found.kappa,
            "kappa_lo": found.kappa_lo,
            "kappa_hi": found.kappa_hi,
            "floor": self.version.judge.floor,
        }


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


def uses_of(run: Run, now: datetime, then: datetime | None = None) -> list[JudgeUse]:
    """The judges of the run's suite; InvalidMove with the sentences when one is unfit to gate."""
    found, problems = [], []
    for version in judges.versions_of(run.version).values():
        calibration = judges.newest_calibration(version, then)
        problem = judges.unfit(version, calibration, now)
        if problem or calibration is None:
            problems.append(problem)
        else:
            found.append(JudgeUse(version=version, calibration=calibration))
    if problems:
        raise InvalidMove("judge_unfit", " ".join(problems))
    return found


def corrected_means(run: Run, uses: Sequence[JudgeUse], confidence: float) -> Correction:
    """The mean of each node that rests on a judge."""
    cases = list(_judged_cases(run, uses).values())
    nodes: dict[str, Corrected] = {}
    missing: dict[str, str] = {}
    for node in sorted({node for case in cases for node in case.rests}):
        held = [case for case in cases if case.scores.get(node)]
        rows = [_mean_row(case, node) for case in held]
        plain = all(case.is_plain.get(node) for case in held)
        _settle(
            node, rows, uses, plain, ("judged_mean", "borrowed_mean"), confidence, nodes, missing
        )
    return Correction(nodes=nodes, missing=missing, uses=uses)


def corrected_deltas(
    candidate: Run, baseline: Run, uses: Sequence[JudgeUse], confidence: float
) -> Correction:
    """The paired difference of each node that rests on a judge; both arms of a case labelled."""
    ours, theirs = _judged_cases(candidate, uses), _judged_cases(baseline, uses)
    pairs = [(ours[key], theirs[key]) for key in ours if key in theirs]
    nodes: dict[str, Corrected] = {}
    missing: dict[str, str] = {}
    for node in sorted({node for pair in pairs for case in pair for node in case.rests}):
        held = [pair for pair in pairs if all(case.scores.get(node) for case in pair)]
        rows = [_delta_row(*pair, node) for pair in held]
        plain = all(case.is_plain.get(node) for pair in held for case in pair)
        methods = ("judged_delta", "borrowed_delta")
        _settle(node, rows, uses, plain, methods, confidence, nodes, missing)
    return Correction(nodes=nodes, missing=missing, uses=uses)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """One case at one node: what the judge says everywhere, and both where people labelled."""

    cluster: str | None
    judged: float
    labelled: tuple[float, float] | None


def _mean_row(case: JudgedCase, node: str) -> _Row:
    return _Row(
        cluster=case.cluster, judged=mean(case.scores[node]), labelled=_labelled(case, node)
    )


def _delta_row(ours: JudgedCase, theirs: JudgedCase, node: str) -> _Row:
    a, b = _labelled(ours, node), _labelled(theirs, node)
    return _Row(
        cluster=ours.cluster,
        judged=mean(ours.scores[node]) - mean(theirs.scores[node]),
        labelled=(a[0] - b[0], a[1] - b[1]) if a and b else None,
    )


def _labelled(case: JudgedCase, node: str) -> tuple[float, float] | None:
    found = case.labelled.get(node)
    return (mean([y for y, _ in found]), mean([f for _, f in found])) if found else None


def _settle(
    node: str,
    rows: Sequence[_Row],
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


def _own(rows: Sequence[_Row]) -> dict[str, Any]:
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


def _borrowed(rows: Sequence[_Row], calibration: Calibration) -> dict[str, Any]:
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
    return {node for case in _judged_cases(run, ()).values() for node in case.rests}


def _judged_cases(run: Run, uses: Sequence[JudgeUse]) -> dict[Key, JudgedCase]:
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
