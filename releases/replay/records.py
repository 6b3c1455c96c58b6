"""The record of a decision read back as the facts that it rests on. Pure.

`slipway.decision/2` holds everything that `decide` needs. `/1` did not say what blocked a promotion
otherwise than by its reasons, nor what a reason required; those fields are not compared there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from releases.digests import plain_json, sha256_of
from releases.gates.contract import Evidence, Gate
from releases.gates.facts import ApprovalRule, BlockFact, Facts, GateFact, VoteFact, WaiverFact
from releases.promotions import GateReason
from releases.states import Block, Outcome, Vote

FORMAT = "slipway.decision/2"
READABLE = ("slipway.decision/1", FORMAT)
HASH = "hash"
"""Beside the document in an exported file: SHA-256 over the rest of it."""
DATA = "data"
"""Beside the document in an exported file: what the intervals were computed from; not hashed."""
SEALS = "seals"
"""SHA-256 of every gate and of every other part, so that a change names its place."""


class NoRecord(ValueError):
    """The file is not the record of a decision, or a part of it can't be read."""


def decision_of_file(value: Any) -> dict[str, Any]:
    """The document in an exported file, without what stands beside it; NoRecord."""
    if not isinstance(value, Mapping):
        raise NoRecord("it is not a JSON object")
    if value.get("format") not in READABLE:
        raise NoRecord(f"its format is {value.get('format')!r}; known: {', '.join(READABLE)}")
    document = {key: item for key, item in value.items() if key not in (HASH, DATA)}
    facts_of(document)
    return document


def sealed(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with a seal a part."""
    return {**document, SEALS: seals_of(document)}


def seals_of(document: Mapping[str, Any]) -> dict[str, str]:
    """`gate ID`, `reason N` or the name of the field, and the SHA-256 of what stands there."""
    found = {}
    for key, item in document.items():
        if key == "gates":
            found.update({f"gate {gate['id']}": sha256_of(gate) for gate in item})
        elif key == "reasons":
            found.update({f"reason {n}": sha256_of(r) for n, r in enumerate(item, start=1)})
        elif key != SEALS:
            found[key] = sha256_of(item)
    return found


def facts_of(document: Mapping[str, Any]) -> Facts:
    """What the decision was made on; NoRecord names the field that can't be read."""
    try:
        return _facts(document)
    except KeyError as error:
        raise NoRecord(f"the field {error} is missing") from error
    except (AttributeError, TypeError, ValueError) as error:
        raise NoRecord(f"a field can't be read: {error}") from error


def _facts(document: Mapping[str, Any]) -> Facts:
    promotion = document["promotion"]
    return Facts(
        checkpoint_digest=promotion["checkpoint_digest"],
        stage=promotion["stage"],
        policy_digest=document["policy"]["digest"],
        gates=tuple(_gate(row) for row in document["gates"] if row["outcome"] is not None),
        approvals=ApprovalRule(
            required=document["approval_rule"]["required"],
            groups=tuple(document["approval_rule"]["groups"]),
        ),
        excluded=dict(document["excluded"]),
        votes=tuple(_vote(row) for row in document["approvals"]),
        waivers=tuple(_waiver(row) for row in document["waivers"] if row.get("counted", True)),
        blocks=_blocks(document),
        hotfix=document.get("hotfix", ""),
        expires_at=moment(promotion["expires_at"]),
    )


def moment(text: str) -> datetime:
    """An ISO 8601 moment with its offset; ValueError."""
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(f"{text} has no time zone")
    return found


def _gate(row: Mapping[str, Any]) -> GateFact:
    gate = Gate(id=row["id"], kind=row["kind"], options=row["options"], shadow=row["shadow"])
    said = {key: row[key] for key in ("problem", "missing") if key in row}
    evidence = row["evidence"]
    if not said:
        evidence, said = evidence_said(evidence)
    return GateFact(gate=gate, evidence=Evidence(observed=evidence, inputs=row["inputs"], **said))


def evidence_said(recorded: Any) -> tuple[Any, dict[str, str]]:
    """What a gate's row holds: its numbers, or why there are none, as `problem` and `missing`."""
    is_said = (
        isinstance(recorded, Mapping)
        and recorded
        and all(k in ("problem", "missing") and isinstance(v, str) for k, v in recorded.items())
    )
    return (None, dict(recorded)) if is_said else (recorded, {})


def _vote(row: Mapping[str, Any]) -> VoteFact:
    return VoteFact(
        person_id=row["person_id"],
        person=row["person"],
        vote=Vote(row["vote"]),
        groups=frozenset(row["groups"]),
        evidence_hash=row["evidence_hash"],
        comment=row["comment"],
    )


def _waiver(row: Mapping[str, Any]) -> WaiverFact:
    return WaiverFact(
        gate_id=row["gate_id"],
        reason=row["reason"],
        asked_by=row["asked_by"],
        confirmed_by=row["confirmed_by"],
        expires_at=moment(row["expires_at"]),
    )


def _blocks(document: Mapping[str, Any]) -> tuple[BlockFact, ...]:
    known = {block.value for block in Block}
    rows = document.get("blocks")
    if rows is None:
        rows = [
            {**row, "block": row["kind"]} for row in document["reasons"] if row["kind"] in known
        ]
    return tuple(
        BlockFact(
            block=Block(row["block"]),
            sentence=row["sentence"],
            owner=row.get("owner", ""),
            clears_at=moment(row["clears_at"]) if row["clears_at"] else None,
        )
        for row in rows
    )


def reason_document(reason: GateReason) -> dict[str, Any]:
    """One reason as JSON."""
    return {
        "gate_id": reason.gate_id,
        "kind": reason.kind,
        "outcome": reason.outcome.value,
        "code": reason.code,
        "sentence": reason.sentence,
        "human": reason.human,
        "shadow": reason.shadow,
        "observed": plain_json(reason.observed),
        "required": plain_json(reason.required),
        "owner": reason.owner,
        "clears_at": reason.clears_at.isoformat() if reason.clears_at else None,
        "inputs": dict(reason.inputs),
    }


def recorded_reasons(document: Mapping[str, Any]) -> tuple[GateReason, ...]:
    """The reasons in their order, as they were recorded and nothing judged anew; NoRecord."""
    try:
        return tuple(_reason(row) for row in document["reasons"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise NoRecord(f"a reason can't be read: {error!r}") from error


def _reason(row: Mapping[str, Any]) -> GateReason:
    return GateReason(
        gate_id=row["gate_id"],
        kind=row["kind"],
        outcome=Outcome(row["outcome"]),
        code=row["code"],
        sentence=row["sentence"],
        human=row.get("human", False),
        shadow=row.get("shadow", False),
        observed=row.get("observed"),
        required=row.get("required"),
        owner=row.get("owner", ""),
        clears_at=moment(row["clears_at"]) if row.get("clears_at") else None,
        inputs=row.get("inputs") or {},
    )


def people_document(facts: Facts) -> dict[str, Any]:
    """Who may approve, who may not, and how they voted."""
    return {
        "approval_rule": {
            "required": facts.approvals.required,
            "groups": list(facts.approvals.groups),
        },
        "excluded": dict(facts.excluded),
        "approvals": [vote_document(vote) for vote in facts.votes],
    }


def vote_document(vote: VoteFact) -> dict[str, Any]:
    return {
        "person_id": vote.person_id,
        "person": vote.person,
        "vote": vote.vote.value,
        "groups": sorted(vote.groups),
        "evidence_hash": vote.evidence_hash,
        "comment": vote.comment,
    }


def block_documents(blocks: Sequence[GateReason]) -> list[dict[str, Any]]:
    """What blocked it, as `facts_of` reads it back."""
    return [
        {
            "block": block.kind,
            "sentence": block.sentence,
            "owner": block.owner,
            "clears_at": block.clears_at.isoformat() if block.clears_at else None,
        }
        for block in blocks
    ]
