"""What a gate is given and what it answers. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from releases.states import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One item of a stage's list."""

    id: str
    kind: str
    options: Mapping[str, Any]
    shadow: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is judged: identifiers only, so that every source can look up its own rows."""

    promotion_id: str | None
    checkpoint_id: str
    checkpoint_digest: str
    family: str
    size: str
    stage_id: str
    stage: str
    pipeline_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a source found for one gate.

    `observed` None: no evidence yet. `problem`: the source failed, and the gate answers error.
    `inputs`: the name of each input and its digest; a change of one makes the outcome stale.
    `live`: numbers that grow by themselves and are read again at execution.
    """

    observed: Mapping[str, Any] | None = None
    inputs: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""
    missing: str = ""
    url: str = ""
    live: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One gate's answer: an outcome and one plain sentence with numbers."""

    outcome: Outcome
    code: str
    sentence: str
    observed: Any = None
    required: Any = None
    owner: str = ""
    clears_at: datetime | None = None


class EvidenceSource(Protocol):
    """Gathers evidence for some kinds of gate; named by dotted path in settings."""

    kinds: frozenset[str]

    def gather(self, gate: Gate, subject: Subject, now: datetime) -> Evidence: ...


class Rule(Protocol):
    """One kind of gate: its options' JSON Schema and a pure judgement."""

    kind: str
    schema: Mapping[str, Any]
    human: bool

    def judge(self, gate: Gate, evidence: Evidence, now: datetime) -> Verdict: ...
