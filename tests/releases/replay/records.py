"""Records of decisions for the tests: made by the services, or by the pure core alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from releases.digests import plain_json, sha256_of
from releases.gates.contract import Evidence, Gate
from releases.gates.facts import (
    ApprovalRule,
    BlockFact,
    Facts,
    GateFact,
    VoteFact,
    WaiverFact,
)
from releases.promotions import Decision, decide
from releases.replay.judge import verdict_document
from releases.replay.records import (
    FORMAT,
    HASH,
    block_documents,
    people_document,
    reason_document,
    sealed,
)
from releases.states import Block, Vote

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
NODE = {"n": 400, "n_clusters": 400, "n_missing": 0, "mean": 0.7125, "lo": 0.6663, "hi": 0.7546}
GATES = (
    GateFact(
        gate=Gate(id="artifact-1", kind="artifact", options={}),
        evidence=Evidence(
            observed={
                "n_files": 2,
                "n_bytes": 98_000_000,
                "problems": [],
                "deployments": [{"name": "m at http://a/v1", "identity": "verified"}],
            },
            inputs={"manifest": "1" * 64},
        ),
    ),
    GateFact(
        gate=Gate(
            id="eval_floor-1",
            kind="eval_floor",
            options={"suite": "sql", "node": "sql.table", "at_least": 0.6},
        ),
        evidence=Evidence(
            observed={
                "suite": "sql",
                "version": 3,
                "suite_state": "fresh",
                "reason": "young",
                "run_id": "0196c0de-0000-7000-8000-000000000001",
                "nodes": {"": {**NODE, "mean": 0.74, "lo": 0.69, "hi": 0.79}, "sql.table": NODE},
            },
            inputs={"suite:sql": "2" * 64},
        ),
    ),
    GateFact(
        gate=Gate(id="soak-1", kind="soak", options={"stage": "internal", "soak": "24h"}),
        evidence=Evidence(
            observed={
                "stages": {
                    "internal": {"longest_s": 90_000.5, "since": "2026-02-28T08:00:00+00:00"}
                }
            }
        ),
    ),
    GateFact(
        gate=Gate(
            id="sign_off-1",
            kind="sign_off",
            options={"role": "behaviour-reviewer", "question": "Does anything feel off?"},
        ),
        evidence=Evidence(
            observed={
                "answers": [
                    {
                        "person": "Rita",
                        "yes": True,
                        "comment": "No. 3 odd replies in 40, all mild.",
                        "answered_at": "2026-03-01T10:00:00+00:00",
                    }
                ]
            }
        ),
    ),
)


def facts(**changes: Any) -> Facts:
    """Everything admits, once somebody approved."""
    values = {
        "checkpoint_digest": "a" * 64,
        "stage": "chat/closed-alpha",
        "policy_digest": "b" * 64,
        "gates": GATES,
        "approvals": ApprovalRule(required=1, groups=("release-managers",)),
        "excluded": {"p-owner": "owns the checkpoint"},
        "expires_at": NOW + timedelta(days=7),
    }
    return Facts(**{**values, **changes})


def vote(digest: str, choice: Vote = Vote.APPROVE, person: str = "p-1") -> VoteFact:
    return VoteFact(
        person_id=person,
        person="Mara",
        vote=choice,
        groups=frozenset({"release-managers"}),
        evidence_hash=digest,
        comment="Read all 4.",
    )


def approved() -> tuple[Facts, Decision]:
    """The facts with one vote on just this evidence, and what they decide."""
    waiting = facts()
    voted = facts(votes=(vote(decide(waiting, NOW).evidence_hash),))
    return voted, decide(voted, NOW)


def waived() -> tuple[Facts, Decision]:
    """A floor that fails and is waived; soak and exposure skipped by the hotfix path; a hold."""
    low = {**dict(GATES[1].evidence.observed or {}), "nodes": {"sql.table": {**NODE, "lo": 0.5}}}
    gates = (
        GATES[0],
        GateFact(gate=GATES[1].gate, evidence=Evidence(observed=low)),
        GateFact(gate=GATES[2].gate, evidence=Evidence(missing="nobody was ever there.")),
        GATES[3],
    )
    waiver = WaiverFact(
        gate_id="eval_floor-1",
        reason="The suite's table cases are known to be mislabelled.",
        asked_by="Mara",
        confirmed_by="Nils",
        expires_at=NOW + timedelta(days=3),
    )
    block = BlockFact(block=Block.HOLDS, sentence="It is held by Nils: “odd”.", owner="Nils")
    told = facts(gates=gates, waivers=(waiver,), blocks=(block,), hotfix="prod is down, 2 of 3")
    return told, decide(told, NOW)


def document(given: Facts, decision: Decision, **changes: Any) -> dict[str, Any]:
    """The exported record of that decision."""
    reasons = {reason.gate_id: reason for reason in decision.gates}
    made = {
        "format": FORMAT,
        "promotion": {
            "id": "0196c0de-0000-7000-8000-000000000002",
            "checkpoint": "chat-nano-2",
            "checkpoint_digest": given.checkpoint_digest,
            "stage": given.stage,
            "requested_by": "Elena",
            "requested_at": "2026-03-01T09:00:00+00:00",
            "expires_at": given.expires_at.isoformat() if given.expires_at else None,
            "reason": "better at 2 of 5 tables",
        },
        "policy": {"digest": given.policy_digest, "stage": {"name": "closed-alpha"}},
        "evaluated_at": NOW.isoformat(),
        "decided_at": NOW.isoformat(),
        "state": "promoted" if decision.state == "approved" else decision.state.value,
        "reason": "",
        "admits": decision.admits,
        "evidence_hash": decision.evidence_hash,
        "verdict": verdict_document(decision),
        "gates": [
            {
                "id": fact.gate.id,
                "kind": fact.gate.kind,
                "shadow": fact.gate.shadow,
                "options": dict(fact.gate.options),
                "evidence": fact.evidence.observed,
                "problem": fact.evidence.problem,
                "missing": fact.evidence.missing,
                "inputs": dict(fact.evidence.inputs),
                "outcome": reasons[fact.gate.id].outcome.value,
                "code": reasons[fact.gate.id].code,
            }
            for fact in given.gates
        ],
        "reasons": [reason_document(reason) for reason in decision.reasons],
        **people_document(given),
        "waivers": [
            {
                "gate_id": w.gate_id,
                "reason": w.reason,
                "asked_by": w.asked_by,
                "confirmed_by": w.confirmed_by,
                "expires_at": w.expires_at.isoformat(),
                "counted": True,
            }
            for w in given.waivers
        ],
        "blocks": block_documents(decision.blocks),
        "hotfix": given.hotfix,
        **changes,
    }
    found = sealed(plain_json(made))
    return {**found, HASH: sha256_of(found)}
