"""What a promotion is decided on: gates with their evidence, votes, waivers, blocks. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from releases.gates.contract import Evidence, Gate
from releases.states import Block, Vote

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
class BlockFact:
    """Something in force that stops a forward move whatever the gates say."""

    block: Block
    sentence: str
    owner: str = ""
    clears_at: datetime | None = None


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
    blocks: tuple[BlockFact, ...] = ()
    hotfix: str = ""
    """Why soak and exposure are skipped; empty: they are not."""
    expires_at: datetime | None = None
