"""What compared nodes mean for a gate: proven nodes, guarding slices, the anchor. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from releases.gates import nodes, options, reading, suites
from releases.gates.contract import Gate
from releases.gates.contract import Verdict as GateVerdict
from releases.gates.nodes import ComparedNode, Terms
from releases.states import Outcome
from releases.statistics.verdicts import PASSING, Verdict
from releases.statistics.wording import slices_sentence

ROOT = ""
ANCHOR: options.Schema = {
    "type": "object",
    "properties": {
        "checkpoint": {"type": "string", "minLength": 1},
        "margin": options.MARGIN,
    },
    "required": ["checkpoint", "margin"],
    "additionalProperties": False,
}
SEVERITY = (Outcome.ERROR, Outcome.FAIL, Outcome.INCONCLUSIVE, Outcome.PASS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one node means for the gate."""

    outcome: Outcome
    code: str
    sentence: str


def terms_of(gate: Gate, observed: Mapping[str, Any], margin: float) -> Terms:
    """What the nodes are judged against.

    Intervals of a run that was looked at while it went on have a confidence of their own.
    """
    asked = float(gate.options.get("confidence", options.DEFAULT_CONFIDENCE))
    own = reading.number(observed, "confidence") if "confidence" in observed else asked
    return Terms(
        margin=margin,
        # Evidence may be stricter than the gate asks, never laxer.
        confidence=max(asked, own),
        suite=suites.suite_name(observed),
    )


def concluded(
    findings: list[Finding], observed: Mapping[str, Any], required: Mapping[str, Any]
) -> GateVerdict:
    """The worst finding, capped by the suite's state; every finding is in the sentence."""
    worst = min(findings, key=lambda finding: SEVERITY.index(finding.outcome))
    candidate, baseline = reading.text(observed, "candidate"), reading.text(observed, "baseline")
    root = reading.table(reading.table(observed, "nodes"), ROOT)
    said = "; ".join(finding.sentence for finding in findings)
    verdict = GateVerdict(
        outcome=worst.outcome,
        code=worst.code,
        sentence=f"{candidate} against {baseline}: {said}.",
        observed={key: root.get(key) for key in ("n", "delta", "lo", "hi")},
        required=dict(required),
    )
    return suites.capped(verdict, observed)


def on_proven(node: ComparedNode, worse_fails: bool) -> Finding:
    """The root or a `must_prove` node: it has to be shown to be no worse."""
    if node.verdict in PASSING:
        return Finding(outcome=Outcome.PASS, code="no_regression", sentence=node.sentence("passes"))
    if node.verdict is Verdict.REGRESSION or (node.verdict is Verdict.WORSE and worse_fails):
        return Finding(
            outcome=Outcome.FAIL, code=node.verdict.value, sentence=node.sentence("blocks")
        )
    if node.verdict is Verdict.INVALID:
        return Finding(outcome=Outcome.ERROR, code="not_comparable", sentence=node.sentence())
    code = "too_few_cases" if node.verdict is Verdict.INSUFFICIENT else "margin_not_settled"
    return Finding(outcome=Outcome.INCONCLUSIVE, code=code, sentence=node.sentence("holds"))


def on_guards(
    gate: Gate, found: Mapping[str, Any], labels: Iterable[str], terms: Terms
) -> list[Finding]:
    """The slices that only guard: each that blocks, then one line about all of them."""
    critical = set(gate.options.get("critical_nodes", ()))
    strict = gate.options.get("block_on", "regression") == "worse"
    compared = [nodes.guarding(found, label, terms) for label in labels]
    findings = []
    for node in compared:
        finding = _on_guard(node, strict, node.label in critical)
        if finding is not None:
            findings.append(finding)
    return [*findings, *_summary(compared)]


def _on_guard(node: ComparedNode, strict: bool, is_critical: bool) -> Finding | None:
    """None: the node does not block, and is counted in the summary."""
    if node.verdict is Verdict.REGRESSION:
        return Finding(outcome=Outcome.FAIL, code="regression", sentence=node.sentence("blocks"))
    if node.verdict is Verdict.WORSE and (strict or is_critical):
        return Finding(outcome=Outcome.FAIL, code="worse", sentence=node.sentence("blocks"))
    if node.verdict is Verdict.INVALID:
        return Finding(outcome=Outcome.ERROR, code="not_comparable", sentence=node.sentence())
    if node.verdict is Verdict.INSUFFICIENT and is_critical:
        return Finding(outcome=Outcome.INCONCLUSIVE, code="too_few_cases", sentence=node.sentence())
    return None


def _summary(compared: list[ComparedNode]) -> list[Finding]:
    """One passing line about the slices that were checked, when there were any."""
    checked = [n.verdict for n in compared if n.verdict is not Verdict.INSUFFICIENT]
    if not checked:
        return []
    sentence = slices_sentence(
        len(checked), checked.count(Verdict.REGRESSION), checked.count(Verdict.WORSE)
    )
    return [Finding(outcome=Outcome.PASS, code="no_regression", sentence=sentence)]


def against_anchor(gate: Gate, observed: Mapping[str, Any]) -> list[Finding]:
    """The whole suite against the anchor, with the anchor's own margin; [] without an anchor."""
    if "anchor" not in gate.options:
        return []
    wanted = gate.options["anchor"]
    if observed.get("anchor") is None:
        sentence = f"not compared with the anchor {wanted['checkpoint']} yet"
        return [Finding(outcome=Outcome.INCONCLUSIVE, code="anchor_missing", sentence=sentence)]
    anchor = reading.table(observed, "anchor")
    terms = terms_of(gate, observed, float(wanted["margin"]))
    finding = on_proven(nodes.proven(reading.table(anchor, "nodes"), ROOT, terms), False)
    sentence = f"against the anchor {wanted['checkpoint']}, {finding.sentence}"
    return [Finding(outcome=finding.outcome, code=finding.code, sentence=sentence)]
