"""One gate judged so that nothing but an earned pass admits. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from releases.gates import reading
from releases.gates.contract import Evidence, Gate, Rule, Verdict
from releases.states import Outcome

# What a rule may say itself: stale and waived are about a recorded outcome, not about evidence.
_SAYABLE = frozenset({Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE, Outcome.ERROR})
CRASHES = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


def judge_gate(gate: Gate, evidence: Evidence, now: datetime, rules: Mapping[str, Rule]) -> Verdict:
    """The rule's verdict; no evidence is inconclusive, anything broken is an error."""
    rule = rules.get(gate.kind)
    if rule is None:
        known = ", ".join(sorted(rules))
        return _error("unknown_kind", f"Nobody knows the gate kind {gate.kind!r}; known: {known}.")
    if evidence.problem:
        return _error("evidence_failed", f"Gathering evidence failed: {evidence.problem}")
    if evidence.observed is None or evidence.missing:
        what = evidence.missing or "there is no evidence yet."
        return Verdict(
            outcome=Outcome.INCONCLUSIVE, code="no_evidence", sentence=f"Can't tell: {what}"
        )
    try:
        reading.reject_nan(evidence.observed)
        verdict = rule.judge(gate, evidence, now)
    except reading.BadEvidence as error:
        return _error("bad_evidence", f"The evidence can't be used: {error}.")
    except CRASHES as error:
        return _error("rule_crashed", f"The rule {gate.kind} crashed: {error!r}.")
    if not isinstance(verdict, Verdict) or verdict.outcome not in _SAYABLE:
        return _error("rule_crashed", f"The rule {gate.kind} answered {verdict!r}.")
    return verdict


def _error(code: str, sentence: str) -> Verdict:
    return Verdict(outcome=Outcome.ERROR, code=code, sentence=sentence)
