"""One node of a paired comparison: its verdict from the recorded interval. Pure.

The interval is judged again here, so a recorded verdict can weaken what the interval says (missing
cases, too few clusters) and can never strengthen it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from releases.gates import reading
from releases.statistics.verdicts import PASSING, Verdict, is_sufficient, verdict_of
from releases.statistics.wording import ComparedFacts, comparison_sentence

_WEAKENED = frozenset({Verdict.INCONCLUSIVE, Verdict.INSUFFICIENT, Verdict.INVALID})


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a node is judged against."""

    margin: float
    confidence: float
    suite: str

    @property
    def alpha(self) -> float:
        """One side of the two-sided level."""
        return (1 - self.confidence) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedNode:
    """A node as evidence tells it, with the verdict that its interval allows."""

    label: str
    verdict: Verdict
    facts: ComparedFacts

    def sentence(self, action: str | None = None) -> str:
        return comparison_sentence(self.facts, action)


def node_found(found: Mapping[str, Any], label: str, terms: Terms) -> Mapping[str, Any]:
    """The node's evidence; BadEvidence naming the known nodes when it is not there."""
    if label in found:
        return reading.table(found, label)
    known = ", ".join(sorted(name for name in found if name)) or "none"
    raise reading.BadEvidence(f"{terms.suite} has no node {label!r}; its nodes: {known}")


def proven(found: Mapping[str, Any], label: str, terms: Terms) -> ComparedNode:
    """The root or a `must_prove` node: its own verdict, uncorrected."""
    node = node_found(found, label, terms)
    return _compared(node, label, _own_verdict(node, label, terms), terms)


def guarding(found: Mapping[str, Any], label: str, terms: Terms) -> ComparedNode:
    """A node that only guards: regression and worse count after Holm alone."""
    node = node_found(found, label, terms)
    verdict = _own_verdict(node, label, terms)
    if verdict is Verdict.REGRESSION and _probability(node, "adjusted_p_regression") >= terms.alpha:
        verdict = Verdict.WORSE
    if verdict is Verdict.WORSE and _probability(node, "adjusted_p_worse") >= terms.alpha:
        verdict = Verdict.INCONCLUSIVE
    return _compared(node, label, verdict, terms)


def weakened(node: ComparedNode, verdict: Verdict, doubt: str) -> ComparedNode:
    """The node with a verdict that says less, and why."""
    facts = replace(node.facts, verdict=verdict, doubt=doubt)
    return ComparedNode(label=node.label, verdict=verdict, facts=facts)


def p_better(node: Mapping[str, Any]) -> float:
    """One-sided p for "better than the baseline"."""
    return _probability(node, "p_better")


def _own_verdict(node: Mapping[str, Any], label: str, terms: Terms) -> Verdict:
    recorded = _recorded(node)
    if recorded is Verdict.INVALID:
        return recorded
    if not is_sufficient(reading.count(node, "n"), reading.count(node, "n_clusters")):
        return Verdict.INSUFFICIENT
    if recorded is Verdict.INSUFFICIENT:
        return recorded
    lo = reading.number(node, "lo", infinite=True)
    hi = reading.number(node, "hi", infinite=True)
    delta = reading.number(node, "delta")
    if not lo <= delta <= hi:
        raise reading.BadEvidence(f"{label or terms.suite}: {delta} lies outside {lo}..{hi}")
    if recorded in _WEAKENED:
        return recorded
    found = verdict_of(lo, hi, terms.margin)
    if recorded in PASSING and (found not in PASSING or math.isinf(lo) or math.isinf(hi)):
        what = f"{label or terms.suite}: recorded as {recorded}, but {lo}..{hi} is {found}"
        raise reading.BadEvidence(what)
    return found


def _recorded(node: Mapping[str, Any]) -> Verdict:
    value = reading.text(node, "verdict")
    try:
        return Verdict(value)
    except ValueError as error:
        raise reading.BadEvidence(f"verdict is {value!r}, which is unknown") from error


def _probability(node: Mapping[str, Any], key: str) -> float:
    value = reading.number(node, key)
    if not 0 <= value <= 1:
        raise reading.BadEvidence(f"{key} is {value}, not a probability")
    return value


def _compared(node: Mapping[str, Any], label: str, verdict: Verdict, terms: Terms) -> ComparedNode:
    known = verdict not in (Verdict.INSUFFICIENT, Verdict.INVALID)
    doubt = node.get("doubt")
    settle, note = node.get("cases_to_settle"), node.get("note")
    facts = ComparedFacts(
        name=label or terms.suite,
        n=reading.count(node, "n"),
        n_clusters=reading.count(node, "n_clusters"),
        delta=reading.number(node, "delta") if known else None,
        lo=reading.number(node, "lo", infinite=True) if known else None,
        hi=reading.number(node, "hi", infinite=True) if known else None,
        margin=terms.margin,
        verdict=verdict,
        confidence=terms.confidence,
        cases_to_settle=settle if isinstance(settle, int) else None,
        is_hopeless=node.get("is_hopeless") is True,
        doubt=doubt if isinstance(doubt, str) and doubt else None,
        note=note if isinstance(note, str) and note else None,
        is_anytime=node.get("is_anytime") is True,
    )
    return ComparedNode(label=label, verdict=verdict, facts=facts)
