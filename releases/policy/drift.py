"""What a changed policy does to outcomes that were judged by the one before. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from releases.gates.contract import Gate
from releases.gates.terms import gates_of
from releases.policy.traffic import reads

# Judged on what happened in the stages of `after`, unless the gate names one itself.
_READ_AFTER = frozenset(
    {
        "cost",
        "error_rate",
        "exposure",
        "feedback_rate",
        "latency",
        "open_findings",
        "preference",
        "replay",
    }
)
Policy = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """Gates whose own definition changed, those no longer asked, and those asked from now on."""

    changed: tuple[Gate, ...]
    removed: tuple[str, ...]
    added: tuple[Gate, ...]


def drift(before: Policy, after: Policy) -> Drift:
    """From one policy of a stage to another; a gate is the same by its id."""
    old = {gate.id: gate for gate in gates_of(before)}
    new = {gate.id: gate for gate in gates_of(after)}
    changed = [
        gate
        for name, gate in new.items()
        if name in old and _definition(gate, after) != _definition(old[name], before)
    ]
    return Drift(
        changed=tuple(changed),
        removed=tuple(name for name in old if name not in new),
        added=tuple(gate for name, gate in new.items() if name not in old),
    )


def _definition(gate: Gate, policy: Policy) -> Sequence[Any]:
    """All that decides its outcome: a gate that reads upstream stages moves with them."""
    read = sorted(reads(policy, gate.options)) if gate.kind in _READ_AFTER else []
    return [gate.kind, gate.shadow, dict(gate.options), read]
