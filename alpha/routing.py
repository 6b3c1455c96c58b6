"""Which upstream answers a call: one immutable table, and one pure decision over it.

The gateway builds the table from rows, swaps it whole, and asks `resolve` for every request.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any, NamedTuple
from uuid import UUID

from alpha.quotas import NO_LIMITS, Quotas
from releases.states import Arm, ReleaseState

Network = IPv4Network | IPv6Network
BUCKETS = 10_000


class Refused(StrEnum):
    """Why a call is not routed."""

    NO_SUCH_CODENAME = "no_such_codename"
    """Unknown, not granted or not served: the caller must not be able to tell which."""
    CODENAME_ENDED = "codename_ended"
    TERMS_NOT_ACCEPTED = "terms_not_accepted"
    RELEASE_HALTED = "release_halted"
    NO_DEPLOYMENT = "no_deployment"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyEntry:
    """A partner's key that is not revoked, of a partner that has not ended."""

    id: UUID
    public: str
    digest: str
    partner_id: UUID
    expires_at: datetime | None = None
    networks: tuple[Network, ...] = ()
    quotas: Quotas = NO_LIMITS
    limited_since: int = 0
    """When it was given limits where it had none, in ms since 1970; 0: it has none."""
    partner_quotas: Quotas = NO_LIMITS
    partner_limited_since: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantEntry:
    """One partner's access to a stage, its own or by a cohort."""

    id: UUID
    partner_id: UUID
    stage_id: UUID
    opens_at: datetime
    ends_at: datetime | None = None
    terms_accepted: bool = True
    transcript_consent: bool = False
    transcript_days: int = 30
    quotas: Quotas = NO_LIMITS
    limited_since: int = 0
    """When it was given limits where it had none, in ms since 1970; 0: it was made with its own."""

    def is_in_force(self, now: datetime) -> bool:
        return self.opens_at <= now and (self.ends_at is None or now < self.ends_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceEntry:
    """Micro-units of the currency per million tokens, from a moment on."""

    currency: str
    input: int
    cached_input: int
    output: int
    effective_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentEntry:
    """Where a checkpoint answers."""

    id: UUID
    base_url: str = field(repr=False)
    upstream_model: str = field(repr=False)
    secret: str = field(default="", repr=False)
    weight: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointEntry:
    """What a release serves; `prices` newest first."""

    id: UUID
    serving: Mapping[str, Any] = field(default_factory=dict, repr=False)
    context_window: int
    deployments: tuple[DeploymentEntry, ...] = ()
    prices: tuple[PriceEntry, ...] = ()

    def price_at(self, now: datetime) -> PriceEntry | None:
        """The price in force; None before the first."""
        return next((p for p in self.prices if p.effective_at <= now), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseEntry:
    """A release that has not ended; `share` in percent of the units."""

    id: UUID
    stage_id: UUID
    size: str
    arm: Arm
    share: int
    state: ReleaseState
    checkpoint: CheckpointEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class CodenameEntry:
    """What a partner calls; `checkpoint_id` is set when the name belongs to one checkpoint."""

    name: str
    stage_id: UUID
    size: str
    opens_at: datetime
    ends_at: datetime | None = None
    reveal_text: str = ""
    checkpoint_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Everything a gateway worker needs to know, as of one moment."""

    loaded_at: datetime
    keys: Mapping[str, KeyEntry]
    """By the key's public part."""
    grants: Mapping[tuple[UUID, UUID], tuple[GrantEntry, ...]]
    """By partner and stage: the partner's own first, then by cohort; ended ones too."""
    codenames: Mapping[str, CodenameEntry]
    releases: Mapping[tuple[UUID, str], tuple[ReleaseEntry, ...]]
    """By stage and size."""
    halted: frozenset[UUID] = frozenset()
    """Releases that are halted, or were when they ended lately: no call of them goes on."""
    withdrawn: frozenset[UUID] = frozenset()
    """Releases that were demoted or rolled back lately: no call of them goes on either."""


class Route(NamedTuple):
    """Who serves this call, and under which grant."""

    key: KeyEntry
    grant: GrantEntry
    codename: CodenameEntry
    release: ReleaseEntry
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Denial:
    """Why nobody serves it; `text` is the release manager's, shown to former grant holders."""

    reason: Refused
    text: str = ""


def unit_of(secret: bytes, partner_id: UUID, names: Sequence[str | None], key_id: UUID) -> str:
    """The stored hash of whom the call is for: 32 hex digits, keyed, of partner and first name.

    `names` in order: safety_identifier, user, session; the key stands in when none is sent. Text
    of one kind never equals that of another.
    """
    kind, name = next(((str(i), n) for i, n in enumerate(names) if n), ("key", key_id.hex))
    told = f"{partner_id.hex}\0{kind}\0{name}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(told, digest_size=16, key=secret).hexdigest()


def is_usable(entry: KeyEntry, now: datetime) -> bool:
    """Whether the key has not expired."""
    return entry.expires_at is None or now < entry.expires_at


def may_come_from(entry: KeyEntry, address: str) -> bool:
    """Whether the key allows that address; an unreadable one only where every address is."""
    if not entry.networks:
        return True
    try:
        source = ip_address(address)
    except ValueError:
        return False
    return any(source in network for network in entry.networks)


def resolve(
    table: Table, key: KeyEntry, codename: str, subject: str, now: datetime
) -> Route | Denial:
    """Who answers `codename` for the unit `subject`, or why nobody does."""
    entry = table.codenames.get(codename)
    if entry is None or now < entry.opens_at:
        return Denial(reason=Refused.NO_SUCH_CODENAME)
    grants = table.grants.get((key.partner_id, entry.stage_id), ())
    if entry.ends_at is not None and entry.ends_at <= now:
        return _ended(entry, grants)
    in_force = [grant for grant in grants if grant.is_in_force(now)]
    if not in_force:
        return Denial(reason=Refused.NO_SUCH_CODENAME)
    accepted = next((grant for grant in in_force if grant.terms_accepted), None)
    if accepted is None:
        return Denial(reason=Refused.TERMS_NOT_ACCEPTED)
    release = _release(table, entry, subject)
    if release is None:
        return _ended(entry, grants)
    if release.state is not ReleaseState.LIVE:
        return Denial(reason=Refused.RELEASE_HALTED)
    if not release.checkpoint.deployments:
        return Denial(reason=Refused.NO_DEPLOYMENT)
    return Route(key=key, grant=accepted, codename=entry, release=release, unit=subject)


def codenames_of(table: Table, key: KeyEntry, now: datetime) -> list[CodenameEntry]:
    """What the key's partner may call now, by name; halted releases are still listed."""
    hidden = {Refused.NO_SUCH_CODENAME, Refused.CODENAME_ENDED}
    found = []
    for name in sorted(table.codenames):
        answer = resolve(table, key, name, "", now)
        if isinstance(answer, Route) or answer.reason not in hidden:
            found.append(table.codenames[name])
    return found


def deployments_of(table: Table) -> frozenset[UUID]:
    """Every deployment that a release of the table may be answered by."""
    return frozenset(
        place.id
        for releases in table.releases.values()
        for release in releases
        for place in release.checkpoint.deployments
    )


def bucket_of(unit: str, release: ReleaseEntry) -> int:
    """Where a unit stands among BUCKETS for this candidate; the same after every restart.

    Salted by the checkpoint, so that one candidate's early units are not the next one's too.
    """
    salt = f"{release.stage_id.hex}/{release.size}/{release.checkpoint.id.hex}/{unit}"
    digest = hashlib.blake2b(salt.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % BUCKETS


def _ended(entry: CodenameEntry, grants: Sequence[GrantEntry]) -> Denial:
    """The end of a codename as those who could call it hear it; nobody else can tell."""
    held = any(
        (grant.ends_at is None or entry.opens_at < grant.ends_at)
        and (entry.ends_at is None or grant.opens_at < entry.ends_at)
        for grant in grants
    )
    if held and entry.reveal_text:
        return Denial(reason=Refused.CODENAME_ENDED, text=entry.reveal_text)
    return Denial(reason=Refused.NO_SUCH_CODENAME)


def _release(table: Table, entry: CodenameEntry, unit: str) -> ReleaseEntry | None:
    releases = table.releases.get((entry.stage_id, entry.size), ())
    if entry.checkpoint_id is not None:
        own = [r for r in releases if r.checkpoint.id == entry.checkpoint_id]
        return next((r for r in own if r.state is ReleaseState.LIVE), own[0] if own else None)
    by_arm = {release.arm: release for release in releases}
    incumbent, candidate = by_arm.get(Arm.INCUMBENT), by_arm.get(Arm.CANDIDATE)
    if candidate is None:
        return incumbent
    if bucket_of(unit, candidate) >= candidate.share * BUCKETS // 100:
        return incumbent
    # A halted candidate's share goes to the incumbent; never the other way: what is being tried
    # on a share of the units must not meet all of them because the incumbent was stopped.
    if candidate.state is not ReleaseState.LIVE and incumbent is not None:
        return incumbent
    return candidate
