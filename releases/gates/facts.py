"""What a promotion is decided on: gates with their evidence, votes, waivers, holds. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from releases.gates.contract import Evidence, Gate
from releases.states import Vote

DEFAULT_VOTERS = "release-managers"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRule:
    """How many distinct persons approve, with at least one of each group."""

    required: int = 0
    groups: tuple[str, ...] = ()

    @property
    def voters(self) -> frozenset[str]:
        """Whose votes count; release managers where the stage names nobody."""
        return frozenset(self.groups) or frozenset({DEFAULT_VOTERS})


@dataclass(frozen=True, slots=True, kw_only=True)
class VoteFact:
    """A vote that stands; `groups` are the person's groups now, so a lost right stops counting."""

    person_id: str
    person: str
    vote: Vote
    groups: frozenset[str]
    evidence_hash: str
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaiverFact:
    """A bypass of one gate that two persons signed."""

    gate_id: str
    reason: str
    asked_by: str
    confirmed_by: str
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldFact:
    """A hold in force on the checkpoint or on the stage."""

    subject: str
    reason: str
    owner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GateFact:
    """A gate and what its source found."""

    gate: Gate
    evidence: Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything a decision rests on; two equal facts at one moment decide the same."""

    checkpoint_digest: str
    stage: str
    policy_digest: str
    gates: tuple[GateFact, ...]
    approvals: ApprovalRule
    excluded: Mapping[str, str] = field(default_factory=dict)
    """Persons whose approval never counts, and why: the requester, the checkpoint's owner."""
    votes: tuple[VoteFact, ...] = ()
    waivers: tuple[WaiverFact, ...] = ()
    holds: tuple[HoldFact, ...] = ()
    expires_at: datetime | None = None
