"""Persons and their logins, seen as actors."""

from __future__ import annotations

from django.contrib.auth.models import Group
from django.db import transaction

from infra.actors import Actor, ActorKind
from infra.errors import NotFound
from infra.models import Person, User
from infra.roles import Role

_ROLES = {role.value: role for role in Role}


def actor_of_login(login: User) -> Actor:
    """The person behind a login, with the roles of this login's groups; who left has none."""
    has_left = login.person is not None and login.person.left_at is not None
    groups = [] if has_left else login.groups.values_list("name", flat=True)
    return Actor(
        kind=ActorKind.PERSON,
        id=str(login.person_id or ""),
        name=login.person.name if login.person else login.username,
        person_id=login.person_id,
        roles=frozenset(_ROLES[name] for name in groups if name in _ROLES),
        is_administrator=login.is_active and login.is_superuser and not has_left,
    )


def actor_named(username: str) -> Actor:
    """The actor of an active login; NotFound says which exist."""
    login = User.objects.select_related("person").filter(username=username, is_active=True).first()
    if login is None:
        known = ", ".join(User.objects.filter(is_active=True).values_list("username", flat=True))
        raise NotFound("no_such_login", f"No active login {username!r}; known: {known or 'none'}.")
    return actor_of_login(login)


def person_named(name: str) -> Person:
    """The person with that login, e-mail or name; NotFound otherwise."""
    person = (
        Person.objects.filter(logins__username=name).first()
        or Person.objects.filter(email__iexact=name).first()
        or Person.objects.filter(name=name).first()
    )
    if person is None:
        raise NotFound("no_such_person", f"No person {name!r}: use a login, e-mail or full name.")
    return person


@transaction.atomic
def ensure_login(
    *, username: str, name: str, email: str, roles: tuple[Role, ...], password: str
) -> User:
    """The login of that name, made with its person when it is missing; the password is kept."""
    login = User.objects.filter(username=username).first()
    if login is not None:
        return login
    person, _ = Person.objects.get_or_create(email=email, defaults={"name": name})
    login = User(username=username, email=email, person=person, is_staff=True)
    login.set_password(password)
    login.save()
    login.groups.set(Group.objects.filter(name__in=[role.value for role in roles]))
    return login
