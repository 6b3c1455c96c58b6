"""What judges change in the evidence of eval gates: refused while unfit, else corrected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from evals import components
from evals.models import Calibration, Comparison, Run
from evals.selectors import judged, judges
from evals.selectors.judged import Correction, JudgeUse
from infra.errors import DomainError, InvalidMove
from releases.gates.contract import Gate
from releases.replay.method_inputs import MethodInput

Nodes = dict[str, dict[str, Any]]
# Options of eval gates that name the nodes it is decided on.
ASKED = ("must_prove", "critical_nodes", "nodes")


class Asked(Protocol):
    """What one gate asks about, as far as judges are concerned."""

    @property
    def gate(self) -> Gate: ...
    @property
    def confidence(self) -> float: ...
    @property
    def inputs(self) -> Mapping[str, str]: ...
    @property
    def now(self) -> datetime: ...
    @property
    def then(self) -> datetime | None: ...


class Unfit(DomainError):
    """A judge that can't gate; the inputs say what would change that."""

    def __init__(self, sentence: str, inputs: Mapping[str, str]) -> None:
        super().__init__("judge_unfit", sentence)
        self.inputs = inputs


def corrected_means(asked: Asked, run: Run, nodes: Nodes) -> dict[str, Any]:
    """`{nodes, judges}` of the evidence: means that rest on a judge by what people would say."""
    uses = _uses(asked, run)
    if not uses:
        return {"nodes": nodes}
    correction = _corrected(asked, lambda: judged.corrected_means(run, uses, asked.confidence))
    wanted = {asked.gate.options.get("node", components.ROOT), *_named(asked.gate)}
    _refuse_missing(asked, correction, wanted)
    found: Nodes = {label: node for label, node in nodes.items() if label not in correction.missing}
    for label, one in correction.nodes.items():
        if label in found:
            ends = {"mean": one.result.est, "lo": one.result.lo, "hi": one.result.hi}
            found[label] = {**found[label], **ends, **_told(one)}
    return {"nodes": found, "judges": [use.as_dict() for use in uses]}


def corrected_deltas(asked: Asked, made: Comparison, nodes: Nodes) -> dict[str, Any]:
    """`{nodes, judges}` of the evidence: differences that rest on a judge, verdicts made anew."""
    uses = _uses(asked, made.candidate)
    if not uses:
        return {"nodes": nodes}
    correction = _corrected(
        asked,
        lambda: judged.corrected_deltas(made.candidate, made.baseline, uses, asked.confidence),
    )
    _refuse_missing(asked, correction, {components.ROOT, *_named(asked.gate)})
    from releases.statistics import judged_nodes  # SciPy: only where numbers are made

    found = judged_nodes.judged_again(
        nodes,
        {label: one.result for label, one in correction.nodes.items()},
        correction.missing,
        suite_name=str(made.candidate.version),
        margin=made.margin,
        confidence=asked.confidence,
    )
    for label, one in correction.nodes.items():
        if label in found:
            found[label] = {**found[label], **_told(one)}
    return {"nodes": found, "judges": [use.as_dict() for use in uses]}


def uses_recorded(observed: Mapping[str, Any]) -> list[JudgeUse]:
    """The judges that recorded evidence rests on, with the calibrations of then."""
    ids = [UUID(row["calibration"]) for row in observed.get("judges", ())]
    rows = Calibration.objects.select_related("version__judge").in_bulk(ids)
    return [JudgeUse(version=rows[pk].version, calibration=rows[pk]) for pk in ids]


def mean_inputs(run: Run, uses: Sequence[JudgeUse], confidence: float) -> dict[str, MethodInput]:
    """What the corrected means were computed from, by node."""
    if not uses:
        return {}
    return judged.method_inputs(judged.corrected_means(run, uses, confidence), "mean")


def delta_inputs(made: Comparison, uses: Sequence[JudgeUse]) -> dict[str, MethodInput]:
    """What the corrected differences were computed from, by node."""
    if not uses:
        return {}
    correction = judged.corrected_deltas(made.candidate, made.baseline, uses, made.confidence)
    return judged.method_inputs(correction, "delta")


def _uses(asked: Asked, run: Run) -> list[JudgeUse]:
    if not judges.references_of(run.version):
        return []
    try:
        return judged.uses_of(run, asked.now, asked.then)
    except InvalidMove as unfit:
        raise Unfit(unfit.message, asked.inputs) from unfit


def _corrected(asked: Asked, correct: Any) -> Correction:
    try:
        found: Correction = correct()
    except InvalidMove as refusal:
        raise Unfit(refusal.message, asked.inputs) from refusal
    return found


def _refuse_missing(asked: Asked, correction: Correction, wanted: set[str]) -> None:
    missing = [correction.missing[label] for label in sorted(wanted & set(correction.missing))]
    if missing:
        raise Unfit(f"{'; '.join(missing)}.", asked.inputs)


def _named(gate: Gate) -> set[str]:
    return {label for option in ASKED for label in gate.options.get(option, ())}


def _told(one: judged.Corrected) -> dict[str, Any]:
    return {"note": one.note, "n_labelled": one.n_labelled, "method": one.method}
