"""Who does something: a person, a service key, or Slipway itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from infra.errors import NotPermitted, Reason
from infra.roles import Role, Scope


class ActorKind(StrEnum):
    """What stands behind an action."""

    PERSON = "person"
    SERVICE_KEY = "service_key"
    PARTNER_KEY = "partner_key"
    PARTNER_PERSON = "partner_person"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Passed to every service; `person_id` is set for persons alone."""

    kind: ActorKind
    name: str
    id: str = ""
    person_id: UUID | None = None
    roles: frozenset[Role] = frozenset()
    scopes: frozenset[Scope] = frozenset()
    on_behalf_of: str = ""
    # Manages people and logins; decides nothing about checkpoints by it.
    is_administrator: bool = False

    @property
    def is_person(self) -> bool:
        return self.kind is ActorKind.PERSON

    def may(self, *roles: Role, scope: Scope | None = None) -> bool:
        """True for Slipway itself, a person in one of `roles`, or a key with `scope`."""
        if self.kind is ActorKind.SYSTEM:
            return True
        if self.is_person:
            return bool(self.roles & set(roles))
        return scope is not None and scope in self.scopes

    def must(self, action: str, *roles: Role, scope: Scope | None = None) -> None:
        """NotPermitted, naming who may, unless `may`."""
        if self.may(*roles, scope=scope):
            return
        allowed = [role.value for role in roles]
        allowed += [f"service keys with scope {scope}"] if scope else []
        sentence = f"{self.name} may not {action}; allowed: {', '.join(allowed) or 'nobody'}."
        raise NotPermitted(
            "not_permitted", sentence, [Reason(code="not_permitted", sentence=sentence)]
        )

    def must_administer(self, action: str) -> None:
        """NotPermitted unless an administrator's login, or Slipway itself, does it."""
        if self.is_administrator or self.kind is ActorKind.SYSTEM:
            return
        sentence = f"{self.name} may not {action}; allowed: administrators."
        raise NotPermitted(
            "not_permitted", sentence, [Reason(code="not_permitted", sentence=sentence)]
        )

    def must_be_person(self, action: str) -> UUID:
        """The person's id; keys and Slipway itself are refused."""
        if self.person_id is not None:
            return self.person_id
        sentence = f"Only a person may {action}; {self.name} is a {self.kind.value}."
        raise NotPermitted(
            "person_required", sentence, [Reason(code="person_required", sentence=sentence)]
        )


def system(name: str) -> Actor:
    """Slipway itself, acting as the part called `name` (scheduler, guardrail, demo)."""
    return Actor(kind=ActorKind.SYSTEM, name=name, id=name)
