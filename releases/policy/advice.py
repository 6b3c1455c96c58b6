"""What the gates of a pipeline can settle, asked of whoever has the numbers. Pure.

An adviser of `settings.POLICY_SOURCES` answers from what it knows already (past runs, traffic so
far), or says what it assumes. Advice refuses nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from releases.gates.contract import Gate
from releases.gates.terms import gates_of
from releases.policy.files import PipelineSpec
from releases.policy.traffic import reads


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A stage whose live traffic a gate is judged on.

    `candidate_share` of the traffic in 0..1 where an incumbent serves beside it; None: never.
    """

    stage: str
    candidate_share: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One gate, or one guardrail, and where it stands."""

    pipeline: str
    family: str
    stage: str
    gate: Gate
    reads: tuple[Read, ...]
    guardrail: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What it can settle: one sentence, and the numbers in it."""

    stage: str
    gate_id: str
    kind: str
    sentence: str
    numbers: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return {
            "stage": self.stage,
            "gate_id": self.gate_id,
            "kind": self.kind,
            "sentence": self.sentence,
            "numbers": dict(self.numbers),
        }


class Adviser(Protocol):
    """Knows what some kinds of gate can settle."""

    kinds: frozenset[str]

    def settles(self, question: Question) -> tuple[str, Mapping[str, Any]]:
        """The sentence and its numbers; an empty sentence: nothing to say."""


def questions(spec: PipelineSpec) -> Iterator[Question]:
    """Every gate and every guardrail of a pipeline, in its order."""
    policies = {stage.name: stage.policy for stage in spec.stages}
    for name, policy in policies.items():
        for gate in gates_of(policy):
            read = tuple(
                Read(stage=other, candidate_share=long_share(policies.get(other, {})))
                for other in reads(policy, gate.options)
            )
            yield _question(spec, name, gate, read)
        for item in policy["guardrails"]:
            options = {key: item[key] for key in item if key not in ("id", "kind", "action")}
            gate = Gate(id=item["id"], kind=item["kind"], options=options)
            own = (Read(stage=name, candidate_share=first_share(policy)),)
            yield _question(spec, name, gate, own, guardrail=True)


def long_share(policy: Mapping[str, Any]) -> float | None:
    """The candidate's share for as long as both arms serve: beside the holdback, or at the end."""
    if policy.get("holdback"):
        return 1 - float(policy["holdback"]) / 100
    below = [step["percent"] for step in policy.get("ramp", ()) if step["percent"] < 100]
    return float(below[-1]) / 100 if below else None


def first_share(policy: Mapping[str, Any]) -> float | None:
    """The candidate's share when it starts."""
    steps = [step["percent"] / 100 for step in policy.get("ramp", ()) if step["percent"] < 100]
    return steps[0] if steps else long_share(policy)


def _question(
    spec: PipelineSpec, stage: str, gate: Gate, read: tuple[Read, ...], *, guardrail: bool = False
) -> Question:
    return Question(
        pipeline=spec.name,
        family=spec.family,
        stage=stage,
        gate=gate,
        reads=read,
        guardrail=guardrail,
    )
