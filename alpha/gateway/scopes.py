"""Where the counters of a key, a partner and a grant lie, and what the scripts are told of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from alpha.gateway.scripts import Words, keys_of, words
from alpha.quotas import Quotas
from alpha.routing import GrantEntry, KeyEntry, Table

# As start.lua numbers them.
KINDS = {
    "requests_per_minute": 1,
    "concurrent_requests": 2,
    "tokens_per_minute": 3,
    "tokens_per_day": 4,
    "tokens_total": 5,
    "budget_micros_per_day": 6,
    "budget_micros": 7,
}
NAME_OF = {number: name for name, number in KINDS.items()}
# A grant that was made with limits counts from its beginning on.
SINCE_EVER = 1


class Of(StrEnum):
    """What has a limit, as a refusal names it."""

    KEY = "key"
    PARTNER = "partner"
    GRANT = "grant"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """One key, one partner, or one partner under one grant, with its limits.

    `since` tells the limits of one time from those of another: between them nothing was counted.
    """

    name: str
    of: Of
    quotas: Quotas
    since: int
    partner_id: UUID
    key_id: UUID | None = None
    grant_id: UUID | None = None

    def told(self) -> list[int]:
        """Its limits as start.lua reads them."""
        limits = [(KINDS[name], value) for name, value in self.quotas.set_ones()]
        since = self.since if self.quotas.needs_history else 0
        return [since, len(limits), *(number for limit in limits for number in limit)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is counted of the calls with one key under one grant; `names` also where nothing is."""

    key: KeyEntry
    grant: GrantEntry
    names: tuple[str, ...]
    scopes: tuple[Scope, ...]
    keys: Words
    limits: Words


def scope_of(grant_id: UUID, partner_id: UUID) -> str:
    """Where a partner's counters under a grant lie; a cohort's grant limits each partner alone."""
    return f"slipway:grant:{grant_id.hex}:{partner_id.hex}"


def scope_of_key(key_id: UUID) -> str:
    """Where a key's counters lie."""
    return f"slipway:key:{key_id.hex}"


def scope_of_partner(partner_id: UUID) -> str:
    """Where a partner's counters lie, over all its keys and grants."""
    return f"slipway:partner:{partner_id.hex}"


def names_of(key_id: UUID, partner_id: UUID, grant_id: UUID) -> tuple[str, ...]:
    """Every place where a call may be counted."""
    return (scope_of_key(key_id), scope_of_partner(partner_id), scope_of(grant_id, partner_id))


def plan_of(key: KeyEntry, grant: GrantEntry) -> Plan:
    """What the calls with that key under that grant are counted in."""
    scopes = (*limited_by_key(key), *limited_by_grants([grant]))
    return Plan(
        key=key,
        grant=grant,
        names=names_of(key.id, grant.partner_id, grant.id),
        scopes=scopes,
        keys=keys_of(*(scope.name for scope in scopes)),
        limits=words(*(number for scope in scopes for number in scope.told())),
    )


def limited_by_key(key: KeyEntry) -> Iterator[Scope]:
    """The key and its partner, where they have limits."""
    if key.quotas.is_limited:
        yield Scope(
            name=scope_of_key(key.id),
            of=Of.KEY,
            quotas=key.quotas,
            since=key.limited_since,
            partner_id=key.partner_id,
            key_id=key.id,
        )
    if key.partner_quotas.is_limited:
        yield Scope(
            name=scope_of_partner(key.partner_id),
            of=Of.PARTNER,
            quotas=key.partner_quotas,
            since=key.partner_limited_since,
            partner_id=key.partner_id,
        )


def limited_by_grants(grants: Iterable[GrantEntry]) -> Iterator[Scope]:
    """The partner under each of the grants that have limits."""
    for grant in grants:
        if grant.quotas.is_limited:
            yield Scope(
                name=scope_of(grant.id, grant.partner_id),
                of=Of.GRANT,
                quotas=grant.quotas,
                since=max(SINCE_EVER, grant.limited_since),
                partner_id=grant.partner_id,
                grant_id=grant.id,
            )


def limited_scopes(table: Table) -> dict[str, Scope]:
    """Everything that has limits, by where its counters lie."""
    found = {scope.name: scope for key in table.keys.values() for scope in limited_by_key(key)}
    for held in table.grants.values():
        found.update((scope.name, scope) for scope in limited_by_grants(held))
    return found


def callable_grants(held: Iterable[tuple[GrantEntry, ...]], now: datetime) -> Iterator[GrantEntry]:
    """Of the grants to each stage the one by which it is called now."""
    for grants in held:
        open_ones = (each for each in grants if each.terms_accepted and each.is_in_force(now))
        yield from (grant for grant in [next(open_ones, None)] if grant is not None)
