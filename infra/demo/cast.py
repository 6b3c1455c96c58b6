"""The persons, keys and partner of an embedded installation, made once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from alpha.models import Key, Partner, PartnerLogin
from alpha.services import keys, partner_logins, partners
from infra import embedded, people
from infra.actors import Actor, system
from infra.models import ServiceKey, User
from infra.roles import Role, Scope
from infra.service_keys import make_service_key, revoke_service_key
from infra.supervisor.runfile import read_runfile

PARTNER = "demo-partner"
PARTNER_PERSON = "dana@demo-partner.example"
SERVICE_KEY = "pipeline"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One person of the cast."""

    username: str
    name: str
    roles: tuple[Role, ...]


CAST = (
    Member(username="release_manager", name="Rosa Meyer", roles=(Role.RELEASE_MANAGER,)),
    Member(username="second_release_manager", name="Sam Okafor", roles=(Role.RELEASE_MANAGER,)),
    Member(username="engineer", name="Ed Lindqvist", roles=(Role.ENGINEER,)),
    Member(username="eval_owner", name="Eva Novak", roles=(Role.EVAL_OWNER,)),
    Member(username="behaviour_reviewer", name="Bea Tanaka", roles=(Role.BEHAVIOUR_REVIEWER,)),
    Member(username="partner_manager", name="Pau Ferrer", roles=(Role.PARTNER_MANAGER,)),
    Member(username="auditor", name="Aya Haddad", roles=(Role.AUDITOR,)),
)


def bootstrap() -> dict[str, Any]:
    """Logins, a service key, a partner key and its person, made where they are missing.

    Passwords are kept in the state folder's secrets; keys only in `run.json`, so a key that is no
    longer there is replaced by a new one.
    """
    known = read_runfile()
    users = {"admin": _administrator()} | {member.username: _login(member) for member in CAST}
    return {
        "users": users,
        "service_key": known.get("service_key") or _service_key(),
        "partner_key": known.get("partner_key") or _partner_key(),
        "partner_login": _partner_login(),
    }


def actor(username: str) -> Actor:
    """A member of the cast; the audit log says that the demo acts for them."""
    return replace(people.actor_named(username), on_behalf_of="the demo")


def _password(username: str) -> str:
    # Short enough to be typed, 96 bits long.
    return embedded.secret(f"login-{username}")[:16]


def _login(member: Member) -> dict[str, str]:
    password = _password(member.username)
    people.ensure_login(
        username=member.username,
        name=member.name,
        email=f"{member.username.replace('_', '-')}@slipway.example",
        roles=member.roles,
        password=password,
    )
    return {"username": member.username, "password": password}


def _administrator() -> dict[str, str]:
    """The login that manages people and logins; it holds no role, so it decides nothing."""
    password = _password("admin")
    people.ensure_login(
        username="admin",
        name="Administrator",
        email="admin@slipway.example",
        roles=(),
        password=password,
    )
    User.objects.filter(username="admin").update(is_superuser=True)
    return {"username": "admin", "password": password}


def _service_key() -> str:
    earlier = ServiceKey.objects.filter(name__startswith=SERVICE_KEY)
    for lost in earlier.filter(revoked_at=None):
        revoke_service_key(actor=system("bootstrap"), key=lost, reason="its text was lost")
    name = f"{SERVICE_KEY}-{earlier.count() + 1}" if earlier else SERVICE_KEY
    _, text = make_service_key(actor=system("bootstrap"), name=name, scopes=list(Scope))
    return text


def _partner() -> Partner:
    return Partner.objects.filter(name=PARTNER).first() or partners.make_partner(
        actor=system("bootstrap"), name=PARTNER, contact_email="dev@demo-partner.example"
    )


def _partner_login() -> dict[str, str]:
    """Somebody of the partner, who came in by an invitation as anybody does."""
    password = _password("partner")
    if not PartnerLogin.objects.filter(email=PARTNER_PERSON).exists():
        _, secret = partner_logins.invite(
            actor=system("bootstrap"), partner=_partner(), email=PARTNER_PERSON
        )
        partner_logins.accept_invitation(secret=secret, name="Dana Ortiz", password=password)
    return {"email": PARTNER_PERSON, "password": password}


def _partner_key() -> str:
    partner = _partner()
    for lost in Key.objects.filter(partner=partner, revoked_at=None, name="first key"):
        keys.revoke_key(actor=system("bootstrap"), key=lost, reason="its text was lost")
    _, text = keys.issue_key(actor=system("bootstrap"), partner=partner, name="first key")
    return text
