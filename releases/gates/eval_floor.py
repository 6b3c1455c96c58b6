"""`eval_floor`: is a node's lower bound above a floor? Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from releases.gates import options, reading, suites
from releases.gates.contract import Evidence, Gate, Verdict
from releases.states import Outcome
from releases.statistics.verdicts import is_sufficient
from releases.statistics.wording import about, mean_sentence

MAX_MISSING_SHARE = 0.05
# Beyond this many times the cases at hand, more cases are no advice.
_HOPELESS_FACTOR = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class _Node:
    """One node's mean with its interval, and what it says about the floor."""

    label: str
    n: int
    mean: float | None
    outcome: Outcome
    code: str
    sentence: str


class EvalFloor:
    """Every judged node's interval lies above the floor."""

    kind = "eval_floor"
    human = False
    schema = options.options_schema(
        {
            "suite": options.SUITE,
            "node": options.NODE,
            "at_least": {"type": "number", "minimum": 0, "maximum": 1},
            "must_prove": options.NODES,
            "critical_nodes": options.NODES,
            "block_on": options.BLOCK_ON,
            "confidence": options.CONFIDENCE,
            "allow_imported": options.ALLOW_IMPORTED,
        },
        required=["suite", "at_least"],
    )

    def judge(self, gate: Gate, evidence: Evidence, now: datetime) -> Verdict:
        """Pass when the node and every `must_prove` node lie above; fail when one lies below.

        A `critical_nodes` node only ever fails the gate; with `block_on: worse` a mean below the
        floor fails it although the interval still reaches across.
        """
        observed = evidence.observed or {}
        floor, found = float(gate.options["at_least"]), reading.table(observed, "nodes")
        proved = dict.fromkeys([gate.options.get("node", ""), *gate.options.get("must_prove", ())])
        guards = [n for n in gate.options.get("critical_nodes", ()) if n not in proved]
        name = suites.suite_name(observed)
        judged = [_judged(gate, found, label, name) for label in proved]
        critical = [_judged(gate, found, label, name) for label in guards]
        judged += [node for node in critical if node.outcome is Outcome.FAIL]
        judged += [node for node in critical if node.code == "too_few_cases"]
        worst = _worst(judged)
        verdict = Verdict(
            outcome=worst.outcome,
            code=worst.code,
            sentence="; ".join(node.sentence for node in judged) + ".",
            observed={node.label: node.mean for node in judged},
            required={"at_least": floor},
        )
        return suites.capped(verdict, observed)


def _worst(judged: list[_Node]) -> _Node:
    ranked = (Outcome.FAIL, Outcome.INCONCLUSIVE, Outcome.PASS)
    return min(judged, key=lambda node: ranked.index(node.outcome))


def _judged(gate: Gate, found: Mapping[str, Any], label: str, suite: str) -> _Node:
    if label not in found:
        known = ", ".join(sorted(n for n in found if n)) or "none"
        raise reading.BadEvidence(f"{suite} has no node {label!r}; its nodes: {known}")
    node = reading.table(found, label)
    n, clusters = reading.count(node, "n"), reading.count(node, "n_clusters")
    name = label or suite
    if not is_sufficient(n, clusters):
        sentence = f"{name}: {n} cases in {clusters} clusters, too few to judge (10 in 5 at least)"
        return _Node(
            label=label,
            n=n,
            mean=None,
            outcome=Outcome.INCONCLUSIVE,
            code="too_few_cases",
            sentence=sentence,
        )
    return _against_floor(gate, node, label, name)


def _against_floor(gate: Gate, node: Mapping[str, Any], label: str, name: str) -> _Node:
    mean, lo, hi = (reading.number(node, key) for key in ("mean", "lo", "hi"))
    # A CR2-t interval of a mean near an end may reach beyond it.
    if not (lo <= mean <= hi and 0 <= mean <= 1):
        raise reading.BadEvidence(f"{name}: {lo}..{hi} around {mean} is no interval of shares")
    n, n_missing = reading.count(node, "n"), reading.count(node, "n_missing")
    floor = float(gate.options["at_least"])
    confidence = float(gate.options.get("confidence", options.DEFAULT_CONFIDENCE))
    outcome, code, clause = _clause(floor, (lo, mean, hi), n, n_missing)
    if outcome is Outcome.INCONCLUSIVE and mean < floor and gate.options.get("block_on") == "worse":
        outcome, code, clause = Outcome.FAIL, "below_floor", "its mean is below the floor"
    numbers = mean_sentence(name, mean, lo, hi, n, confidence)
    note = node.get("note")
    numbers += f" [{note}]" if isinstance(note, str) and note else ""
    sentence = f"{numbers}, floor {100 * floor:.4g}%: {clause}"
    return _Node(label=label, n=n, mean=mean, outcome=outcome, code=code, sentence=sentence)


def _clause(
    floor: float, interval: tuple[float, float, float], n: int, n_missing: int
) -> tuple[Outcome, str, str]:
    lo, mean, hi = interval
    whole = n + n_missing
    if (hi * n + n_missing) / whole < floor:
        return Outcome.FAIL, "below_floor", "below the floor"
    if n_missing > MAX_MISSING_SHARE * whole:
        share = f"{n_missing} of {whole} cases were lost to errors, over 5%"
        return Outcome.INCONCLUSIVE, "cases_missing", f"can't tell: {share}; run them again"
    if lo * n / whole > floor:
        return Outcome.PASS, "above_floor", "above the floor"
    if lo > floor or hi < floor:
        lost = f"can't tell: {n_missing} missing cases could change it; run them again"
        return Outcome.INCONCLUSIVE, "cases_missing", lost
    advice = _advice(floor, interval, n)
    return Outcome.INCONCLUSIVE, "floor_not_settled", f"can't tell at {n} cases{advice}"


def _advice(floor: float, interval: tuple[float, float, float], n: int) -> str:
    lo, mean, hi = interval
    if mean == floor:
        return "; the mean is on the floor itself, so more cases won't settle it"
    reach, distance = (mean - lo, mean - floor) if mean > floor else (hi - mean, floor - mean)
    # The half width shrinks with the square root of the number of cases.
    needed = n * (reach / distance) ** 2
    if not math.isfinite(needed) or needed > _HOPELESS_FACTOR * n:
        return "; won't settle here"
    return f"; about {about(max(needed, n + 1))} would settle it"
