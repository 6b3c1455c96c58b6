"""What people's answers and decisions rest on, as hashes: equal ones are not asked for again. Pure.

Only gates that no person answers count, and no shadow gate: they can't change the outcome.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from releases.digests import plain_json, sha256_of
from releases.gates.contract import Gate


class Judged(Protocol):
    """A gate's reason, as it was recorded."""

    @property
    def gate_id(self) -> str: ...
    @property
    def human(self) -> bool: ...
    @property
    def shadow(self) -> bool: ...
    @property
    def outcome(self) -> Any: ...
    @property
    def inputs(self) -> Mapping[str, str]: ...


def answer_key(asked: Gate, gates: Iterable[Gate], judged: Iterable[Judged]) -> str:
    """Of the question, the machine gates' options and their inputs."""
    options = [asked.kind, plain_json(dict(asked.options))]
    return sha256_of({"asked": options, **_evidence(gates, judged)})


def decision_key(gates: Iterable[Gate], judged: Iterable[Judged]) -> str:
    """Of the machine gates' options, inputs and outcomes."""
    counted = _machine(judged)
    outcomes = {reason.gate_id: str(reason.outcome) for reason in counted}
    return sha256_of({"outcomes": outcomes, **_evidence(gates, counted)})


def _evidence(gates: Iterable[Gate], judged: Iterable[Judged]) -> dict[str, Any]:
    inputs = {reason.gate_id: dict(reason.inputs) for reason in _machine(judged)}
    options = {g.id: [g.kind, plain_json(dict(g.options))] for g in gates if g.id in inputs}
    return {"inputs": inputs, "options": options}


def _machine(judged: Iterable[Judged]) -> list[Judged]:
    return [reason for reason in judged if not (reason.human or reason.shadow)]
