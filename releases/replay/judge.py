"""Judges a recorded decision again and says where the record differs. Pure.

The gates are judged as of `evaluated_at`; votes, waivers and blocks are concluded from as of
`decided_at`. An outcome that was stale stays so: nothing that is in the record makes it fresh.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from releases.digests import sha256_of
from releases.gates.contract import Rule
from releases.gates.facts import Facts
from releases.promotions import NOT_EVALUATED, Decision, GateReason, conclude, decide
from releases.replay.records import (
    HASH,
    SEALS,
    NoRecord,
    decision_of_file,
    facts_of,
    moment,
    reason_document,
    seals_of,
)
from releases.states import Outcome, PromotionState

# A promotion is recorded after the move that it decided.
_DECIDED_AS = {PromotionState.PROMOTED.value: PromotionState.APPROVED.value}
_VERDICT = ("state", "admits", "machine_clear", "approvals_needed", "evidence_hash")


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One place where the record says something else than what follows from it."""

    where: str
    """`gate ID`, `reason ID`, or the field's name."""
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """A decision judged again."""

    document: Mapping[str, Any]
    decision: Decision
    document_hash: str
    differences: tuple[Difference, ...]

    @property
    def is_equal(self) -> bool:
        return not self.differences


def replay(given: Any, rules: Mapping[str, Rule] | None = None) -> Replay:
    """The decision in an exported file, judged again; NoRecord when the file holds none."""
    document = decision_of_file(given)
    try:
        decision = _decided(document, rules)
        found = (
            *_changed_parts(document),
            *_changed_gates(document, decision),
            *_changed_reasons(document, decision),
            *_changed_verdict(document, decision),
            *_changed_hash(given, document),
        )
    except (AttributeError, KeyError, LookupError, TypeError, ValueError) as error:
        raise NoRecord(f"a field can't be read: {error!r}") from error
    return Replay(
        document=document,
        decision=decision,
        document_hash=sha256_of(document),
        differences=found,
    )


def _decided(document: Mapping[str, Any], rules: Mapping[str, Rule] | None) -> Decision:
    facts, decided_at = facts_of(document), moment(document["decided_at"])
    if document["evaluated_at"] is None:
        return conclude((NOT_EVALUATED,), facts, decided_at)
    judged = _judged(document, facts, rules)
    stale = {
        row["gate_id"]: row
        for row in document["reasons"]
        if row["outcome"] == Outcome.STALE.value and row["code"] == "stale"
    }
    gates = tuple(_stale(gate, stale.get(gate.gate_id)) for gate in judged)
    return conclude(gates, facts, decided_at)


def _judged(
    document: Mapping[str, Any], facts: Facts, rules: Mapping[str, Rule] | None
) -> tuple[GateReason, ...]:
    """Every gate as of the moment when it was judged: that of the evaluation, unless it says so."""
    evaluated_at = moment(document["evaluated_at"])
    apart = {row["id"]: moment(row["judged_at"]) for row in document["gates"] if "judged_at" in row}
    at_once = decide(facts, evaluated_at, rules).gates
    if not apart:
        return at_once
    earlier = {at: decide(facts, at, rules).gates for at in set(apart.values())}
    return tuple(
        earlier[apart[gate.gate_id]][number] if gate.gate_id in apart else gate
        for number, gate in enumerate(at_once)
    )


def _stale(gate: GateReason, row: Mapping[str, Any] | None) -> GateReason:
    if row is None:
        return gate
    return replace(
        gate,
        outcome=Outcome.STALE,
        code=row["code"],
        sentence=row["sentence"],
        observed=row.get("observed"),
        required=row.get("required"),
        owner=row.get("owner", ""),
        clears_at=None,
    )


def _changed_parts(document: Mapping[str, Any]) -> list[Difference]:
    """Parts whose seal is not what stands there; nothing in a record that has no seals."""
    recorded = document.get(SEALS)
    if recorded is None:
        return []
    found = seals_of(document)
    return [
        Difference(
            where=part,
            sentence=f"{part}: {_seal_sentence(part, recorded, found)}",
        )
        for part in dict.fromkeys([*found, *recorded])
        if recorded.get(part) != found.get(part)
    ]


def _seal_sentence(part: str, recorded: Mapping[str, str], found: Mapping[str, str]) -> str:
    if part not in found:
        return "it was sealed, but the record does not have it."
    if part not in recorded:
        return "the record has it, but it was never sealed."
    return "what stands there is not what was sealed when the decision was recorded."


def _changed_gates(document: Mapping[str, Any], decision: Decision) -> list[Difference]:
    """Gates whose own row tells another outcome than its reason."""
    outcomes = {gate.gate_id: gate.outcome.value for gate in decision.gates}
    rows = [row for row in document["gates"] if row["outcome"] is not None]
    return [
        Difference(
            where=f"gate {row['id']}",
            sentence=(
                f"gate {row['id']}: recorded as {row['outcome']}, but its evidence gives "
                f"{outcomes.get(row['id'], 'nothing')}."
            ),
        )
        for row in rows
        if row["outcome"] != outcomes.get(row["id"])
    ]


def _changed_reasons(document: Mapping[str, Any], decision: Decision) -> list[Difference]:
    recorded: Sequence[Mapping[str, Any]] = document["reasons"]
    judged = [reason_document(reason) for reason in decision.reasons]
    found = [
        difference
        for row, again in zip(recorded, judged, strict=False)
        if (difference := _reason_difference(row, again)) is not None
    ]
    if len(recorded) != len(judged):
        told = f"reasons: the record has {len(recorded)}, judged again there are {len(judged)}."
        found.append(Difference(where="reasons", sentence=told))
    return found


def _reason_difference(row: Mapping[str, Any], again: Mapping[str, Any]) -> Difference | None:
    fields = [name for name in again if name in row and row[name] != again[name]]
    if not fields:
        return None
    where = f"reason {row['gate_id']}"
    told = "; ".join(f"{name} {_shown(row[name])}, now {_shown(again[name])}" for name in fields)
    return Difference(where=where, sentence=f"{where}: recorded {told}.")


def _shown(value: Any) -> str:
    return f"“{value}”" if isinstance(value, str) else f"{value}"


def _changed_verdict(document: Mapping[str, Any], decision: Decision) -> list[Difference]:
    recorded = document.get("verdict") or {
        "state": _DECIDED_AS.get(document["state"], document["state"]),
        "admits": document["admits"],
        "evidence_hash": document["evidence_hash"],
    }
    again = verdict_document(decision)
    found = [
        Difference(
            where=f"verdict {name}",
            sentence=f"verdict {name}: recorded {recorded[name]}, judged again {again[name]}.",
        )
        for name in _VERDICT
        if name in recorded and recorded[name] != again[name]
    ]
    if _DECIDED_AS.get(document["state"], document["state"]) != again["state"]:
        told = f"state: recorded {document['state']}, but the decision was {again['state']}."
        found.append(Difference(where="state", sentence=told))
    return found


def verdict_document(decision: Decision) -> dict[str, Any]:
    """What follows from the reasons, as JSON."""
    return {
        "state": decision.state.value,
        "admits": decision.admits,
        "machine_clear": decision.machine_clear,
        "approvals_needed": decision.approvals_needed,
        "evidence_hash": decision.evidence_hash,
    }


def _changed_hash(given: Mapping[str, Any], document: Mapping[str, Any]) -> list[Difference]:
    recorded, found = given.get(HASH), sha256_of(document)
    if recorded == found:
        return []
    told = f"hash: the file says {recorded or 'nothing'}, its content has {found}."
    return [Difference(where=HASH, sentence=told)]
