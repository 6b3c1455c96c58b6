"""`eval_improvement`: is the candidate better than the baseline somewhere that counts? Pure.

Several nodes are several chances to look better by luck, so one of them counts as better only
after Holm over all that were named, and several variants tried on one suite are as many chances.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from releases.gates import nodes, options, reading
from releases.gates.compared import (
    ANCHOR,
    ROOT,
    Finding,
    against_anchor,
    concluded,
    on_guards,
    terms_of,
)
from releases.gates.contract import Evidence, Gate
from releases.gates.contract import Verdict as GateVerdict
from releases.gates.nodes import ComparedNode, Terms
from releases.states import Outcome
from releases.statistics.multiplicity import holm
from releases.statistics.verdicts import Verdict

_NAMED: options.Schema = {
    "type": "array",
    "items": options.NODE,
    "minItems": 1,
    "uniqueItems": True,
}


class EvalImprovement:
    """At least one named node is better, and each of `must_prove`; critical nodes only guard."""

    kind = "eval_improvement"
    human = False
    schema = options.options_schema(
        {
            "suite": options.SUITE,
            "baseline": options.BASELINE,
            "nodes": _NAMED,
            "must_prove": options.NODES,
            "critical_nodes": options.NODES,
            "block_on": options.BLOCK_ON,
            "anchor": ANCHOR,
            "confidence": options.CONFIDENCE,
            "allow_imported": options.ALLOW_IMPORTED,
        },
        required=["suite", "baseline"],
    )

    def judge(self, gate: Gate, evidence: Evidence, now: datetime) -> GateVerdict:
        """Pass on a proven gain; fail where every named node is proven worse."""
        observed = evidence.observed or {}
        terms = terms_of(gate, observed, 0.0)
        found = reading.table(observed, "nodes")
        asked = list(dict.fromkeys(gate.options.get("nodes", (ROOT,))))
        alone = list(dict.fromkeys(gate.options.get("must_prove", ())))
        findings = _on_named(_named(found, asked, terms, _n_tried(observed)))
        findings += [_on_must_prove(nodes.proven(found, label, terms)) for label in alone]
        known = {*asked, *alone}
        guards = [
            n for n in dict.fromkeys(gate.options.get("critical_nodes", ())) if n not in known
        ]
        if gate.options.get("block_on") == "worse":
            guards += [name for name in found if name and name not in known and name not in guards]
        findings += on_guards(gate, found, guards, terms)
        findings += against_anchor(gate, observed)
        required = {"verdict": Verdict.BETTER.value, "nodes": asked, "must_prove": alone}
        return concluded(findings, observed, required)


def _n_tried(observed: Mapping[str, Any]) -> int:
    """Variants tried on the suite; 1 in evidence from before they were counted."""
    return max(1, reading.count(observed, "n_tried")) if "n_tried" in observed else 1


def _named(
    found: Mapping[str, Any], labels: list[str], terms: Terms, n_tried: int
) -> list[ComparedNode]:
    """The named nodes; better on its own is not enough among several nodes, or several tries."""
    compared = [nodes.proven(found, label, terms) for label in labels]
    if len(compared) == n_tried == 1:
        return compared
    judged = [node for node in compared if node.verdict not in _UNJUDGED]
    chances = [nodes.p_better(nodes.node_found(found, n.label, terms)) for n in judged]
    adjusted = dict(zip([n.label for n in judged], holm(chances).adjusted, strict=True))
    return [
        nodes.weakened(node, Verdict.INCONCLUSIVE, _by_luck(len(judged), n_tried))
        if node.verdict is Verdict.BETTER and adjusted[node.label] * n_tried >= terms.alpha
        else node
        for node in compared
    ]


_UNJUDGED = frozenset({Verdict.INSUFFICIENT, Verdict.INVALID})


def _by_luck(n_nodes: int, n_tried: int) -> str:
    among = [f"{n_nodes} named nodes (Holm)"] if n_nodes > 1 else []
    among += [f"{n_tried} variants tried"] if n_tried > 1 else []
    return f"better on its own, but not among {' and '.join(among)}"


def _on_named(compared: list[ComparedNode]) -> list[Finding]:
    """One finding over all named nodes: one that is better is enough."""
    verdicts = [node.verdict for node in compared]
    if Verdict.BETTER in verdicts:
        outcome, code, action = Outcome.PASS, "improved", "not counted"
    elif Verdict.INVALID in verdicts:
        outcome, code, action = Outcome.ERROR, "not_comparable", "holds"
    elif all(verdict is Verdict.REGRESSION for verdict in verdicts):
        outcome, code, action = Outcome.FAIL, "worse", "blocks"
    else:
        outcome, code, action = Outcome.INCONCLUSIVE, "improvement_not_shown", "holds"
    said = [n.sentence("passes" if n.verdict is Verdict.BETTER else action) for n in compared]
    return [Finding(outcome=outcome, code=code, sentence="; ".join(said))]


def _on_must_prove(node: ComparedNode) -> Finding:
    if node.verdict is Verdict.BETTER:
        return Finding(outcome=Outcome.PASS, code="improved", sentence=node.sentence("passes"))
    if node.verdict is Verdict.REGRESSION:
        return Finding(outcome=Outcome.FAIL, code="worse", sentence=node.sentence("blocks"))
    if node.verdict is Verdict.INVALID:
        return Finding(outcome=Outcome.ERROR, code="not_comparable", sentence=node.sentence())
    sentence = node.sentence("holds")
    return Finding(outcome=Outcome.INCONCLUSIVE, code="improvement_not_shown", sentence=sentence)
