"""A past decision under a proposed policy: what evidence still counts, and what would follow. Pure.

What was recorded for a gate counts for a proposed one when the two differ in nothing but the terms
that it is judged by. Everything else is gathered as of then, or is unknown; nothing unknown passes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from releases.gates.contract import Evidence, Gate, Rule
from releases.gates.facts import Facts, GateFact
from releases.gates.registry import kinds
from releases.gates.terms import approval_rule, expiry
from releases.promotions import Decision, GateReason, conclude, decide, evidence_hash
from releases.replay.records import facts_of, moment
from releases.states import PromotionState

NOTHING_RECORDED = "no evidence of this kind was recorded."
# Options that only the rule reads: the evidence is the same whatever they say.
_JUDGED_BY: Mapping[str, frozenset[str]] = {
    "artifact": frozenset({"allow_unverifiable"}),
    "eval_floor": frozenset({"node", "at_least", "must_prove", "critical_nodes", "block_on"}),
    "eval_no_regression": frozenset({"must_prove", "critical_nodes", "block_on"}),
    "eval_improvement": frozenset({"nodes", "must_prove", "critical_nodes", "block_on"}),
    "exposure": frozenset({"partners", "days", "requests", "largest_share"}),
    "open_findings": frozenset({"none_open_at_or_above"}),
    "error_rate": frozenset({"min_units", "block_on"}),
    "feedback_rate": frozenset({"min_units", "min_requests", "block_on"}),
    "latency": frozenset({"min_units", "block_on"}),
    "cost": frozenset({"min_units", "block_on"}),
    "preference": frozenset({"prove", "margin", "min_votes", "style_controlled", "block_on"}),
    "replay": frozenset({"at_most", "modes", "min_conversations", "block_on"}),
}
# What moves only the ratio that a sequence is tested against: its interval is made from the same
# counts.
_LIMITS = frozenset({"ratio_at_most", "margin", "reference_rate"})
_OF_TWO_ARMS = frozenset({"error_rate", "feedback_rate"})


class Found(StrEnum):
    """Where the evidence for a proposed gate comes from."""

    RECORDED = "recorded"
    """As it was judged then."""
    RECOMPUTED = "recomputed"
    """From the recorded counts, against another limit."""
    AS_OF_THEN = "as of then"
    """From rows that tell how things were then."""
    UNKNOWN = "unknown"
    """Nothing tells."""


class Would(StrEnum):
    """What the proposed policy would have made of a past promotion."""

    GO = "go"
    WAIT = "wait"
    UNKNOWN = "unknown"
    """Only gates without evidence stand in the way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidenced:
    """A proposed gate with its evidence and where that comes from."""

    fact: GateFact
    found: Found


@dataclass(frozen=True, slots=True, kw_only=True)
class Retold:
    """A past decision under the proposed policy."""

    went: bool
    """Whether it was promoted then."""
    would: Would
    decision: Decision
    unmet: tuple[GateReason, ...]

    @property
    def flips(self) -> bool:
        return self.would is not Would.UNKNOWN and self.went is not (self.would is Would.GO)


def recorded_evidence(document: Mapping[str, Any], gate: Gate) -> Evidenced | None:
    """The recorded evidence that counts for a proposed gate; None when none does."""
    rows = sorted(document["gates"], key=lambda row: row["id"] != gate.id)
    for row in rows:
        if row["kind"] != gate.kind or row["outcome"] in (None, "stale"):
            continue
        if not _same_question(row, gate):
            continue
        found = _found(row["options"], gate)
        if found is None or row["evidence"] is None or "observed" in row:
            continue
        evidence = Evidence(observed=row["evidence"], inputs=row["inputs"])
        return Evidenced(fact=GateFact(gate=gate, evidence=evidence), found=found)
    return None


def _same_question(row: Mapping[str, Any], gate: Gate) -> bool:
    """People answered one gate by its id; an answer counts for no other question."""
    return gate.kind not in ("sign_off", "manual") or row["id"] == gate.id


def _found(before: Mapping[str, Any], gate: Gate) -> Found | None:
    judged_by = _JUDGED_BY.get(gate.kind, frozenset())
    if _without(before, judged_by) == _without(gate.options, judged_by):
        return Found.RECORDED
    loose = judged_by | _LIMITS
    same = _without(before, loose) == _without(gate.options, loose)
    has_limit = all(_LIMITS & set(options) for options in (before, gate.options))
    return Found.RECOMPUTED if same and has_limit and gate.kind in _OF_TWO_ARMS else None


def _without(options: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name not in names}


def unknown(gate: Gate, because: str = "") -> Evidenced:
    """Nothing tells how the gate would have stood."""
    evidence = Evidence(missing=f"{NOTHING_RECORDED} {because}".strip())
    return Evidenced(fact=GateFact(gate=gate, evidence=evidence), found=Found.UNKNOWN)


def retell(
    document: Mapping[str, Any],
    policy: Mapping[str, Any],
    digest: str,
    gates: Sequence[Evidenced],
    rules: Mapping[str, Rule] | None = None,
) -> Retold:
    """The recorded decision under another policy, at the moments when it was judged and decided.

    Votes that counted then are taken as given on the proposed evidence too.
    """
    rules = kinds() if rules is None else rules
    judged_at = moment(document["evaluated_at"] or document["decided_at"])
    facts = _facts(document, policy, digest, tuple(item.fact for item in gates))
    judged = decide(facts, judged_at, rules).gates
    bound = evidence_hash(facts, judged)
    votes = tuple(
        replace(vote, evidence_hash=bound)
        if vote.evidence_hash == document["evidence_hash"]
        else vote
        for vote in facts.votes
    )
    decision = conclude(judged, replace(facts, votes=votes), moment(document["decided_at"]))
    blind = {item.fact.gate.id for item in gates if item.found is Found.UNKNOWN}
    return Retold(
        went=document["state"] == PromotionState.PROMOTED.value,
        would=_would(decision, blind),
        decision=decision,
        unmet=decision.unmet,
    )


def _facts(
    document: Mapping[str, Any],
    policy: Mapping[str, Any],
    digest: str,
    gates: tuple[GateFact, ...],
) -> Facts:
    requested_at = moment(document["promotion"]["requested_at"])
    lasts: timedelta = expiry(policy)
    expires_at: datetime = requested_at + lasts
    return replace(
        facts_of(document),
        policy_digest=digest,
        gates=gates,
        approvals=approval_rule(policy),
        expires_at=expires_at,
    )


def _would(decision: Decision, blind: set[str]) -> Would:
    if decision.state is PromotionState.APPROVED:
        return Would.GO
    if decision.state in (PromotionState.REJECTED, PromotionState.EXPIRED):
        return Would.WAIT
    clear = [reason for reason in decision.gates if not reason.admits]
    if any(reason.gate_id not in blind for reason in clear):
        return Would.WAIT
    n_missing = decision.approvals_needed
    blocked = any(not reason.admits for reason in decision.blocks)
    return Would.UNKNOWN if blind and clear and not n_missing and not blocked else Would.WAIT
