"""Everybody who may stand before a promotion: near to it or not, human or not, gone or twice."""

from __future__ import annotations

from dataclasses import dataclass, field

from rest_framework.test import APIClient

from alpha.services import keys, partners
from infra import clock
from infra.actors import Actor, ActorKind, system
from infra.models import Person, User
from infra.people import actor_of_login
from infra.roles import Role, Scope
from infra.service_keys import actor_of_key, make_service_key
from tests import builders
from tests.clients import signed_in, with_bearer

NAMES = (
    "requester owner editor approver superuser service_key partner_key second_login removed".split()
)
"""In the order of the matrix; `second_login` is the requester's."""
_PERSONS = ("requester", "owner", "editor", "approver", "removed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Callers:
    """Each as the services see them, and as they call the API."""

    actors: dict[str, Actor] = field(default_factory=dict)
    clients: dict[str, APIClient] = field(default_factory=dict)

    def person(self, name: str) -> Person:
        return Person.objects.get(pk=self.actors[name].person_id)


def callers() -> Callers:
    """All persons are release managers, the superuser excepted, who is nothing else."""
    found = Callers()
    for name in _PERSONS:
        _login(found, name, Role.RELEASE_MANAGER)
    requester = found.person("requester")
    _login(found, "second_login", Role.RELEASE_MANAGER, person=requester)
    root = _login(found, "superuser")
    root.is_superuser = True
    root.save(update_fields=["is_superuser"])
    _keys(found)
    assert set(found.actors) == set(found.clients) == set(NAMES)
    return found


def remove(found: Callers) -> None:
    """The removed member leaves: the login stays, the rights do not."""
    person = found.person("removed")
    person.left_at = clock.now()
    person.save(update_fields=["left_at"])
    found.actors["removed"] = actor_of_login(person.logins.get())


def _login(found: Callers, name: str, *roles: Role, person: Person | None = None) -> User:
    login = builders.login(name, *roles, person=person)
    found.actors[name] = actor_of_login(login)
    found.clients[name] = signed_in(name)
    return login


def _keys(found: Callers) -> None:
    maker = system("test")
    _, text = make_service_key(actor=maker, name="ci", scopes=list(Scope))
    actor = actor_of_key(text)
    assert actor is not None
    found.actors["service_key"], found.clients["service_key"] = actor, with_bearer(text)
    partner = partners.make_partner(actor=maker, name="acme", contact_email="dev@acme.example")
    key, text = keys.issue_key(actor=maker, partner=partner)
    found.actors["partner_key"] = Actor(
        kind=ActorKind.PARTNER_KEY, id=str(key.pk), name=partner.name
    )
    found.clients["partner_key"] = with_bearer(text)
