"""Records of decisions as people take them away, and what their numbers were computed from."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from infra.errors import InvalidInput, NotFound
from releases.digests import sha256_of
from releases.evidence import inputs_behind
from releases.gates.contract import Gate
from releases.gates.terms import gates_of
from releases.models import DecisionRecord, GateOutcome
from releases.replay.method_inputs import MethodInput
from releases.replay.records import DATA, HASH


def exported(record: DecisionRecord, *, cases: bool = False) -> dict[str, Any]:
    """The document with its hash; with `cases` also what every interval was computed from.

    InvalidInput when the document is not the one that was recorded.
    """
    if sha256_of(record.document) != record.document_hash:
        message = f"Decision {record.pk} is not the one that was recorded."
        raise InvalidInput("decision_changed", message)
    found = {**record.document, HASH: record.document_hash}
    return {**found, DATA: _data(record.document)} if cases else found


def _data(document: dict[str, Any]) -> dict[str, Any]:
    calls = {
        row["id"]: inputs_behind(
            Gate(id=row["id"], kind=row["kind"], options=row["options"]), row["evidence"]
        )
        for row in document["gates"]
    }
    return {
        gate_id: [call.as_dict() for call in found] for gate_id, found in calls.items() if found
    }


def gate_outcome_with_id(outcome_id: UUID | str) -> GateOutcome:
    """That outcome with its promotion; NotFound."""
    rows = GateOutcome.objects.select_related("evaluation__promotion")
    found = rows.filter(pk=outcome_id).first()
    if found is None:
        raise NotFound("no_such_outcome", f"There is no gate outcome {outcome_id}.")
    return found


def inputs_of_outcome(row: GateOutcome) -> list[MethodInput]:
    """The statistics' calls behind an outcome's numbers, under the policy of its promotion."""
    gates = {gate.id: gate for gate in gates_of(row.evaluation.promotion.policy)}
    gate = gates.get(row.gate_id)
    if gate is None or gate.kind != row.kind:
        return []
    return inputs_behind(gate, row.evidence)


def input_named(calls: list[MethodInput], name: str) -> MethodInput:
    """The call about `name`; NotFound lists what there is."""
    found = next((call for call in calls if call.name == name), None)
    if found is None:
        known = ", ".join(call.name or "the whole" for call in calls) or "nothing"
        raise NotFound(
            "no_such_input", f"Nothing is computed for {name!r} here; there is: {known}."
        )
    return found
