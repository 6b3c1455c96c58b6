"""`eval_no_regression`: is the candidate no worse than the baseline, per node? Pure."""

from __future__ import annotations

from datetime import datetime

from releases.gates import nodes, options, reading
from releases.gates.compared import (
    ANCHOR,
    ROOT,
    against_anchor,
    concluded,
    on_guards,
    on_proven,
    terms_of,
)
from releases.gates.contract import Evidence, Gate, Verdict
from releases.statistics.verdicts import PASSING


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
            "anchor": ANCHOR,
            "confidence": options.CONFIDENCE,
            "allow_imported": options.ALLOW_IMPORTED,
        },
        required=["suite", "baseline", "margin"],
    )

    def judge(self, gate: Gate, evidence: Evidence, now: datetime) -> Verdict:
        """The worst finding over all nodes; proven nodes uncorrected, the others after Holm."""
        observed = evidence.observed or {}
        terms = terms_of(gate, observed, float(gate.options["margin"]))
        found = reading.table(observed, "nodes")
        critical = gate.options.get("critical_nodes", ())
        proved = list(dict.fromkeys([ROOT, *gate.options.get("must_prove", ())]))
        strict = gate.options.get("block_on", "regression") == "worse"
        findings = [
            on_proven(nodes.proven(found, label, terms), strict or label in critical)
            for label in proved
        ]
        guards = [name for name in dict.fromkeys([*found, *critical]) if name not in proved]
        findings += on_guards(gate, found, guards, terms)
        findings += against_anchor(gate, observed)
        required = {"margin": terms.margin, "verdict": sorted(v.value for v in PASSING)}
        return concluded(findings, observed, required)
