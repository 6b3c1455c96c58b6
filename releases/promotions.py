"""Decides a promotion: facts -> reasons. Pure.

Console, API, command line and scheduler show the list that `decide` returns; nothing else decides.
Order: evidence gates, then gates that people answer, then approvals, then what blocks every
forward move: holds, a rejection, freezes, the stopped line, a missed follow-up, the set.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from releases.digests import sha256_of
from releases.gates.contract import Gate, Rule, Verdict
from releases.gates.facts import ApprovalRule, BlockFact, Facts, GateFact, VoteFact, WaiverFact
from releases.gates.judgement import judge_gate
from releases.gates.registry import kinds
from releases.states import ADMITTING, Block, Outcome, PromotionState, Vote
from releases.wording import quoted

UNGATED = "ungated"
APPROVALS = "approvals"
# What a hotfix skips; everything else has to admit as ever.
SKIPPED_BY_HOTFIX = frozenset({"soak", "exposure"})
_BLOCK_CODES = {
    Block.HOLDS: "held",
    Block.REJECTION: "rejected_checkpoint",
    Block.FREEZE: "frozen",
    Block.LINE_STOP: "line_stopped",
    Block.FOLLOW_UP: "follow_up_missed",
    Block.SET: "set_not_ready",
    Block.RAMP: "ramp_running",
}
# A tampered artifact is never waved through, by nobody.
NEVER_WAIVED = frozenset({"artifact"})


@dataclass(frozen=True, slots=True, kw_only=True)
class GateReason:
    """What one gate, the approvals or a block say."""

    gate_id: str
    kind: str
    outcome: Outcome
    code: str
    sentence: str
    human: bool = False
    shadow: bool = False
    observed: Any = None
    required: Any = None
    owner: str = ""
    clears_at: datetime | None = None
    inputs: Mapping[str, str] = field(default_factory=dict)

    @property
    def admits(self) -> bool:
        return self.shadow or self.outcome in ADMITTING


NOT_EVALUATED = GateReason(
    gate_id="evaluation",
    kind="evaluation",
    outcome=Outcome.INCONCLUSIVE,
    code="not_evaluated",
    sentence="The gates are being evaluated for the first time.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """All reasons in order, and what follows from them."""

    gates: tuple[GateReason, ...]
    approvals: tuple[GateReason, ...]
    blocks: tuple[GateReason, ...]
    machine_clear: bool
    admits: bool
    evidence_hash: str
    approvals_needed: int
    state: PromotionState

    @property
    def reasons(self) -> tuple[GateReason, ...]:
        return self.gates + self.approvals + self.blocks

    @property
    def unmet(self) -> tuple[GateReason, ...]:
        """What stands in the way."""
        return tuple(reason for reason in self.reasons if not reason.admits)


def decide(facts: Facts, now: datetime, rules: Mapping[str, Rule] | None = None) -> Decision:
    """Evaluate every gate, then approvals, then blocks; the state says where that leaves it."""
    judged = _judged_gates(facts, now, kinds() if rules is None else rules)
    return conclude(judged, facts, now)


def conclude(gates: tuple[GateReason, ...], facts: Facts, now: datetime) -> Decision:
    """What outcomes that were judged before, and possibly went stale, mean now.

    `facts.gates` is not looked at: the frozen outcomes stand in its place.
    """
    digest = evidence_hash(facts, gates)
    machine_clear = bool(gates) and all(reason.admits for reason in gates if not reason.human)
    approvals, n_needed = _approvals(facts, digest, machine_clear)
    blocks = tuple(blocked(block) for block in facts.blocks)
    admits = machine_clear and all(reason.admits for reason in (*gates, *approvals, *blocks))
    return Decision(
        gates=gates,
        approvals=approvals,
        blocks=blocks,
        machine_clear=machine_clear,
        admits=admits,
        evidence_hash=digest,
        approvals_needed=n_needed,
        state=_state(facts, admits, machine_clear, now),
    )


def _state(facts: Facts, admits: bool, machine_clear: bool, now: datetime) -> PromotionState:
    if any(_rejects(facts, vote) for vote in facts.votes):
        return PromotionState.REJECTED
    if any(block.block is Block.REJECTION for block in facts.blocks):
        return PromotionState.REJECTED
    if facts.expires_at is not None and now >= facts.expires_at:
        return PromotionState.EXPIRED
    if admits:
        return PromotionState.APPROVED
    return PromotionState.WAITING if machine_clear else PromotionState.EVALUATING


def evidence_hash(facts: Facts, gates: Iterable[GateReason]) -> str:
    """What approvals bind to; shadow gates are left out, as they can't change the outcome."""
    counted = [reason for reason in gates if not reason.shadow]
    return sha256_of(
        {
            "checkpoint": facts.checkpoint_digest,
            "stage": facts.stage,
            "policy": facts.policy_digest,
            "inputs": {reason.gate_id: dict(reason.inputs) for reason in counted},
            "outcomes": {reason.gate_id: reason.outcome.value for reason in counted},
        }
    )


def _judged_gates(facts: Facts, now: datetime, rules: Mapping[str, Rule]) -> tuple[GateReason, ...]:
    judged = tuple(_judged(fact, facts, now, rules) for fact in facts.gates)
    return with_ungated(judged, facts, now)


def with_ungated(
    gates: tuple[GateReason, ...], facts: Facts, now: datetime
) -> tuple[GateReason, ...]:
    """The gates in the order they are shown; where none of them counts, that comes first."""
    counted = [reason for reason in gates if reason.gate_id != UNGATED]
    if all(reason.shadow for reason in counted):
        counted.insert(0, _ungated(facts, now))
    return tuple(sorted(counted, key=lambda reason: reason.human))


def _judged(fact: GateFact, facts: Facts, now: datetime, rules: Mapping[str, Rule]) -> GateReason:
    gate, evidence = fact.gate, fact.evidence
    verdict = judge_gate(gate, evidence, now, rules)
    if verdict.outcome not in ADMITTING:
        verdict = _bypassed(gate, verdict, facts, now)
    rule = rules.get(gate.kind)
    return GateReason(
        gate_id=gate.id,
        kind=gate.kind,
        outcome=verdict.outcome,
        code=verdict.code,
        sentence=verdict.sentence,
        human=rule is not None and rule.human,
        shadow=gate.shadow,
        observed=verdict.observed,
        required=verdict.required,
        owner=verdict.owner,
        clears_at=verdict.clears_at,
        inputs=dict(evidence.inputs),
    )


def _bypassed(gate: Gate, verdict: Verdict, facts: Facts, now: datetime) -> Verdict:
    """The verdict after the hotfix path and waivers, in this order."""
    if facts.hotfix and gate.kind in SKIPPED_BY_HOTFIX:
        sentence = f"Skipped by the hotfix path ({facts.hotfix}); without it: {verdict.sentence}"
        return replace(
            verdict, outcome=Outcome.WAIVED, code="hotfix", sentence=sentence, clears_at=None
        )
    waiver = None if gate.kind in NEVER_WAIVED else _waiver_of(gate.id, facts.waivers, now)
    return verdict if waiver is None else _waived(verdict, waiver)


def _waiver_of(gate_id: str, waivers: Sequence[WaiverFact], now: datetime) -> WaiverFact | None:
    return next((w for w in waivers if w.gate_id == gate_id and w.expires_at > now), None)


def _waived(verdict: Verdict, waiver: WaiverFact) -> Verdict:
    sentence = (
        f"Waived until {waiver.expires_at:%Y-%m-%d} by {waiver.asked_by} and "
        f"{waiver.confirmed_by} (“{waiver.reason}”); without it: {verdict.sentence}"
    )
    return Verdict(
        outcome=Outcome.WAIVED,
        code="waived",
        sentence=sentence,
        observed=verdict.observed,
        required=verdict.required,
    )


def _ungated(facts: Facts, now: datetime) -> GateReason:
    sentence = f"Stage {facts.stage} has no gate that counts, so nothing vouches for it."
    verdict = Verdict(outcome=Outcome.ERROR, code=UNGATED, sentence=sentence)
    waiver = _waiver_of(UNGATED, facts.waivers, now)
    found = _waived(verdict, waiver) if waiver else verdict
    return GateReason(
        gate_id=UNGATED,
        kind=UNGATED,
        outcome=found.outcome,
        code=found.code,
        sentence=found.sentence,
    )


def _rejects(facts: Facts, vote: VoteFact) -> bool:
    """Whether an eligible person said no."""
    return (
        vote.vote is Vote.REJECT
        and vote.person_id not in facts.excluded
        and bool(vote.groups & facts.approvals.voters)
    )


def _counted(facts: Facts, digest: str) -> dict[str, VoteFact]:
    """Approvals by person: given on this very evidence, by somebody who may."""
    return {
        vote.person_id: vote
        for vote in facts.votes
        if vote.vote is Vote.APPROVE
        and vote.evidence_hash == digest
        and vote.person_id not in facts.excluded
        and vote.groups & facts.approvals.voters
    }


def _approvals(
    facts: Facts, digest: str, machine_clear: bool
) -> tuple[tuple[GateReason, ...], int]:
    rule = facts.approvals
    rejections = tuple(_rejection(vote) for vote in facts.votes if _rejects(facts, vote))
    if rule.required == 0 and not rule.groups:
        return rejections, 0
    counted = _counted(facts, digest)
    seen = frozenset[str]().union(*(vote.groups for vote in counted.values()))
    missing = [group for group in rule.groups if group not in seen]
    n_needed = max(rule.required - len(counted), len(missing))
    people = ", ".join(sorted(vote.person for vote in counted.values()))
    met = n_needed == 0 and machine_clear
    reason = GateReason(
        gate_id=APPROVALS,
        kind=APPROVALS,
        outcome=Outcome.PASS if met else Outcome.INCONCLUSIVE,
        code="approved" if met else "approvals_missing",
        sentence=_approval_sentence(rule, people, n_needed, machine_clear),
        human=True,
        observed={"n_approvals": len(counted)},
        required={"n_approvals": rule.required, "groups": list(rule.groups)},
        owner="" if met else ", ".join(missing or sorted(rule.voters)),
    )
    return (*rejections, reason), n_needed


def _approval_sentence(rule: ApprovalRule, people: str, n_needed: int, machine_clear: bool) -> str:
    groups = ", ".join(sorted(rule.voters))
    if not machine_clear:
        return f"{_votes(rule.required)} of {groups} will be asked for once the gates have cleared."
    if n_needed == 0:
        return f"Approved by {people}."
    so_far = f"; so far: {people}" if people else ""
    return f"Waits for {_votes(n_needed, 'more ')} of {groups}{so_far}."


def _votes(number: int, more: str = "") -> str:
    return f"{number} {more}approval{'' if number == 1 else 's'}"


def _rejection(vote: VoteFact) -> GateReason:
    because = f": {quoted(vote.comment)}" if vote.comment else "."
    return GateReason(
        gate_id=APPROVALS,
        kind=APPROVALS,
        outcome=Outcome.FAIL,
        code="rejected",
        sentence=f"{vote.person} rejected it{because}",
        human=True,
    )


def blocked(block: BlockFact) -> GateReason:
    """A block as the reason that it is."""
    return GateReason(
        gate_id=block.block.value,
        kind=block.block.value,
        outcome=Outcome.FAIL,
        code=_BLOCK_CODES[block.block],
        sentence=block.sentence,
        owner=block.owner,
        clears_at=block.clears_at,
    )
