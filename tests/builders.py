"""Valid rows with boring fixed values, and a cast named by role."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group

from infra import people
from infra.actors import Actor
from infra.models import Person, User
from infra.roles import Role
from releases.models import Checkpoint, Deployment, Family, Pipeline, PipelineVersion, Stage

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
PASSWORD = "a-boring-password-9"
_PARTS = {
    "release_manager": Role.RELEASE_MANAGER,
    "second_release_manager": Role.RELEASE_MANAGER,
    "engineer": Role.ENGINEER,
    "behaviour_reviewer": Role.BEHAVIOUR_REVIEWER,
    "eval_owner": Role.EVAL_OWNER,
    "partner_manager": Role.PARTNER_MANAGER,
    "auditor": Role.AUDITOR,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """Everybody a story needs."""

    release_manager: Actor
    second_release_manager: Actor
    engineer: Actor
    behaviour_reviewer: Actor
    eval_owner: Actor
    partner_manager: Actor
    auditor: Actor


def login(username: str, *roles: Role, person: Person | None = None) -> User:
    """A login with those roles; of `person` when given."""
    found = people.ensure_login(
        username=username,
        name=username.replace("_", " ").title(),
        email=person.email if person else f"{username}@example.org",
        roles=roles,
        password=PASSWORD,
    )
    return found


def cast() -> Cast:
    """The fixed cast, by role."""
    known = {login.username for login in User.objects.filter(username__in=_PARTS)}
    _make_logins({name: role for name, role in _PARTS.items() if name not in known})
    found = User.objects.select_related("person").filter(username__in=_PARTS)
    return Cast(**{login.username: people.actor_of_login(login) for login in found})


def _make_logins(parts: dict[str, Role]) -> None:
    """What `login` makes, by few statements: almost every test begins with a cast."""
    password = make_password(PASSWORD)
    persons = {
        name: Person(name=name.replace("_", " ").title(), email=f"{name}@example.org")
        for name in parts
    }
    Person.objects.bulk_create(persons.values())
    logins = [
        User(username=name, email=of.email, person=of, is_staff=True, password=password)
        for name, of in persons.items()
    ]
    User.objects.bulk_create(logins)
    groups = {group.name: group for group in Group.objects.filter(name__in=parts.values())}
    membership = User.groups.through
    membership.objects.bulk_create(
        membership(user=login, group=groups[parts[login.username]]) for login in logins
    )


def family(name: str = "chat") -> Family:
    return Family.objects.get_or_create(name=name)[0]


def checkpoint(name: str = "chat-nano-1", **fields: Any) -> Checkpoint:
    """A registered checkpoint of family `chat`, size `nano`."""
    owner = fields.pop("owner", None) or login("engineer", Role.ENGINEER).person
    values = {
        "family": family(),
        "size": "nano",
        "name": name,
        "owner": owner,
        "kind": "prompt",
        "artifact_uri": "file:///artifacts/smollm2",
        "manifest": [{"path": "weights.gguf", "size": 1, "sha256": "0" * 64}],
        "manifest_digest": "1" * 64,
        "serving": {"system_prompt": "You are brief.", "sampling": {"temperature": 0, "seed": 7}},
        "context_window": 2048,
        "checkpoint_digest": f"{abs(hash(name)):064x}"[:64],
        "registered_at": NOW,
    }
    return Checkpoint.objects.create(**{**values, **fields})


def deployment(
    of: Checkpoint, base_url: str = "http://127.0.0.1:9/v1", **fields: Any
) -> Deployment:
    values = {"upstream_model": "smollm2-135m-instruct", "weight": 100}
    return Deployment.objects.create(checkpoint=of, base_url=base_url, **{**values, **fields})


def stage(name: str = "closed-alpha", policy: dict[str, Any] | None = None) -> Stage:
    """A stage of the pipeline `chat` with that policy (no gates by default)."""
    pipeline, _ = Pipeline.objects.get_or_create(name="chat", family=family())
    version, _ = PipelineVersion.objects.get_or_create(
        pipeline=pipeline,
        number=1,
        defaults={
            "document": {},
            "digest": "2" * 64,
            "applied_by": "release_manager",
            "applied_at": NOW,
        },
    )
    return Stage.objects.create(
        pipeline=pipeline,
        name=name,
        position=pipeline.stages.count(),
        version=version,
        policy=policy or {"name": name, "gates": []},
        policy_digest="3" * 64,
    )
