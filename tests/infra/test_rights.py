"""The matrix of rights is what the services refuse, no more and no less."""

from __future__ import annotations

import ast
from collections.abc import Callable

import pytest
from django.urls import reverse

from alpha.services import partners
from evals.services.drafts import EDITORS
from infra import rights, service_keys
from infra.actors import Actor, ActorKind
from infra.errors import DomainError, NotPermitted
from infra.roles import Role, Scope
from releases.services import holds, line
from tests import builders
from tests.clients import signed_in

# What each of these does is not the point: only whether it refuses the role is looked at.
DONE: dict[str, Callable[[Actor], object]] = {
    "stop the line": lambda actor: line.stop_the_line(actor=actor, reason="A look."),
    "place holds": lambda actor: holds.place_hold(actor=actor, reason="A look."),
    "make service keys": lambda actor: service_keys.make_service_key(
        actor=actor, name=f"key-{actor.name}", scopes=[Scope.READ]
    ),
    "make partners": lambda actor: partners.make_partner(
        actor=actor, name=f"partner-{actor.name}", contact_email="a@b.example"
    ),
}


def right(action: str) -> rights.Right:
    found = [row for row in rights.rights() if row.action == action]
    assert len(found) == 1, found
    return found[0]


@pytest.mark.django_db
@pytest.mark.parametrize("action", DONE)
def test_the_matrix_says_what_the_service_does(action: str) -> None:
    told = right(action)
    for role in Role:
        login = builders.login(f"one-of-{role.value}", role)
        actor = builders.people.actor_of_login(login)
        try:
            DONE[action](actor)
        except NotPermitted:
            assert role not in told.roles, role
        except DomainError:
            assert role in told.roles, role
        else:
            assert role in told.roles, role


def test_every_rule_in_the_code_is_in_the_matrix() -> None:
    """Counted without the reader's own search: every `.must…(` of every source line."""
    listed = {place for row in rights.rights() for place in row.places}
    written, person_alone = set(), set()
    for app in rights.APPS:
        for path in (rights.PROJECT / app).rglob("*.py"):
            if path.name == "actors.py" or "migrations" in path.parts:
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                    place = f"{path.relative_to(rights.PROJECT)}:{node.lineno}"
                    if node.func.attr in ("must", "must_administer"):
                        written.add(place)
                    elif node.func.attr == "must_be_person":
                        person_alone.add(place)
    assert len(written) > 80
    assert written - listed == set()
    assert listed - written - person_alone == set()


def test_roles_are_read_through_constants_locals_and_helpers() -> None:
    assert right("change suites").roles == frozenset(EDITORS)
    assert Role.PARTNER_MANAGER in right("set prices").roles
    assert right("disable deployments").scopes == {Scope.REGISTER}
    assert right("start the line again").roles == {Role.RELEASE_MANAGER}
    assert right("approve or reject promotions").is_by_case
    assert right("edit people and logins").is_for_administrators


@pytest.mark.django_db
def test_the_api_tells_the_same_matrix() -> None:
    builders.cast()
    told = signed_in("auditor").get(reverse("roles")).json()
    assert told["roles"] == [role.value for role in Role]
    stops = next(row for row in told["rights"] if row["action"] == "stop the line")
    assert stops["roles"] == ["release-managers"] and stops["scopes"] == []


def test_only_administrators_administer() -> None:
    manager = Actor(kind=ActorKind.PERSON, name="Rosa", roles=frozenset(Role))
    with pytest.raises(NotPermitted, match="Rosa may not invite people; allowed: administrators"):
        manager.must_administer("invite people")
