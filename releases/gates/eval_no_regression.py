"""`eval_no_regression`: is the candidate no worse than the baseline, per node? Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from releases.gates import nodes, options, reading, suites
from releases.gates.contract import Evidence, Gate
from releases.gates.contract import Verdict as GateVerdict
from releases.gates.nodes import ComparedNode, Terms
from releases.states import Outcome
from releases.statistics.verdicts import PASSING, Verdict
from releases.statistics.wording import slices_sentence

ROOT = ""
_ANCHOR: options.Schema = {
    "type": "object",
    "properties": {
        "checkpoint": {"type": "string", "minLength": 1},
        "margin": options.MARGIN,
    },
    "required": ["checkpoint", "margin"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Finding:
    """What one node means for the gate."""

    outcome: Outcome
    code: str
    sentence: str


class EvalNoRegression:
    """Root and `must_prove` nodes are proven non-inferior; no other node regresses after Holm."""

    kind = "eval_no_regression"
    human = False
    schema = options.options_schema(
        {
            "suite": options.SUITE,
            "baseline": options.BASELINE,
            "margin": options.MARGIN,
            "must_prove": options.NODES,
            "critical_nodes": options.NODES,
            "block_on": options.BLOCK_ON,
            "anchor": _ANCHOR,
            "confidence": options.CONFIDENCE,
        },
        required=["suite", "baseline", "margin"],
    )

    def judge(self, gate: Gate, evidence: Evidence, now: datetime) -> GateVerdict:
        """The worst finding over all nodes; proven nodes uncorrected, the others after Holm."""
        observed = evidence.observed or {}
        terms = _terms(gate, observed, float(gate.options["margin"]))
        findings = _findings(gate, reading.table(observed, "nodes"), terms)
        if "anchor" in gate.options:
            findings += _against_anchor(gate, observed)
        worst = min(findings, key=lambda finding: _SEVERITY.index(finding.outcome))
        root = reading.table(reading.table(observed, "nodes"), ROOT)
        verdict = GateVerdict(
            outcome=worst.outcome,
            code=worst.code,
            sentence=f"{_pair(observed)}{'; '.join(f.sentence for f in findings)}.",
            observed={key: root.get(key) for key in ("n", "delta", "lo", "hi")},
            required={"margin": terms.margin, "verdict": sorted(v.value for v in PASSING)},
        )
        return suites.capped(verdict, observed)


_SEVERITY = (Outcome.ERROR, Outcome.FAIL, Outcome.INCONCLUSIVE, Outcome.PASS)


def _terms(gate: Gate, observed: Mapping[str, Any], margin: float) -> Terms:
    return Terms(
        margin=margin,
        confidence=float(gate.options.get("confidence", options.DEFAULT_CONFIDENCE)),
        suite=suites.suite_name(observed),
    )


def _pair(observed: Mapping[str, Any]) -> str:
    candidate, baseline = reading.text(observed, "candidate"), reading.text(observed, "baseline")
    return f"{candidate} against {baseline}: "


def _findings(gate: Gate, found: Mapping[str, Any], terms: Terms) -> list[_Finding]:
    proved = list(dict.fromkeys([ROOT, *gate.options.get("must_prove", ())]))
    critical = set(gate.options.get("critical_nodes", ()))
    strict = gate.options.get("block_on", "regression") == "worse"
    guards = list(dict.fromkeys([*found, *critical]))
    findings = [
        _on_proven(nodes.proven(found, label, terms), strict or label in critical)
        for label in proved
    ]
    compared = [nodes.guarding(found, label, terms) for label in guards if label not in proved]
    for node in compared:
        finding = _on_guard(node, strict, node.label in critical)
        if finding is not None:
            findings.append(finding)
    return [*findings, *_summary(compared)]


def _on_proven(node: ComparedNode, worse_fails: bool) -> _Finding:
    if node.verdict in PASSING:
        return _Finding(
            outcome=Outcome.PASS, code="no_regression", sentence=node.sentence("passes")
        )
    if node.verdict is Verdict.REGRESSION or (node.verdict is Verdict.WORSE and worse_fails):
        return _Finding(
            outcome=Outcome.FAIL, code=node.verdict.value, sentence=node.sentence("blocks")
        )
    if node.verdict is Verdict.INVALID:
        return _Finding(outcome=Outcome.ERROR, code="not_comparable", sentence=node.sentence())
    code = "too_few_cases" if node.verdict is Verdict.INSUFFICIENT else "margin_not_settled"
    return _Finding(outcome=Outcome.INCONCLUSIVE, code=code, sentence=node.sentence("holds"))


def _on_guard(node: ComparedNode, strict: bool, is_critical: bool) -> _Finding | None:
    """None: the node does not block, and is counted in the summary."""
    if node.verdict is Verdict.REGRESSION:
        return _Finding(outcome=Outcome.FAIL, code="regression", sentence=node.sentence("blocks"))
    if node.verdict is Verdict.WORSE and (strict or is_critical):
        return _Finding(outcome=Outcome.FAIL, code="worse", sentence=node.sentence("blocks"))
    if node.verdict is Verdict.INVALID:
        return _Finding(outcome=Outcome.ERROR, code="not_comparable", sentence=node.sentence())
    if node.verdict is Verdict.INSUFFICIENT and is_critical:
        return _Finding(
            outcome=Outcome.INCONCLUSIVE, code="too_few_cases", sentence=node.sentence()
        )
    return None


def _summary(compared: list[ComparedNode]) -> list[_Finding]:
    """One passing line about the slices that were checked, when there were any."""
    checked = [n.verdict for n in compared if n.verdict not in (Verdict.INSUFFICIENT,)]
    if not checked:
        return []
    sentence = slices_sentence(
        len(checked), checked.count(Verdict.REGRESSION), checked.count(Verdict.WORSE)
    )
    return [_Finding(outcome=Outcome.PASS, code="no_regression", sentence=sentence)]


def _against_anchor(gate: Gate, observed: Mapping[str, Any]) -> list[_Finding]:
    """The whole suite against the anchor, with the anchor's own margin."""
    wanted = gate.options["anchor"]
    if observed.get("anchor") is None:
        sentence = f"not compared with the anchor {wanted['checkpoint']} yet"
        return [_Finding(outcome=Outcome.INCONCLUSIVE, code="anchor_missing", sentence=sentence)]
    anchor = reading.table(observed, "anchor")
    terms = _terms(gate, observed, float(wanted["margin"]))
    finding = _on_proven(nodes.proven(reading.table(anchor, "nodes"), ROOT, terms), False)
    sentence = f"against the anchor {wanted['checkpoint']}, {finding.sentence}"
    return [_Finding(outcome=finding.outcome, code=finding.code, sentence=sentence)]
