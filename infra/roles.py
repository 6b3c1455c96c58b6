"""Roles of persons (Django groups, made by a migration) and scopes of service keys."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """A role a person can hold; the value is the group's name."""

    RELEASE_MANAGER = "release-managers"
    BEHAVIOUR_REVIEWER = "behaviour-reviewers"
    EVAL_OWNER = "eval-owners"
    PARTNER_MANAGER = "partner-managers"
    ENGINEER = "engineers"
    AUDITOR = "auditors"


class Scope(StrEnum):
    """What a service key may do; a key never approves, waives, signs off or decides."""

    READ = "read"
    REGISTER = "checkpoints:write"
    RUN = "runs:write"
    SUITES = "suites:write"
    PROMOTE = "promotions:request"
    PARTNERS = "partners:write"


# A pipeline's file may name a role in the singular, as people say it.
SINGULAR = {role.value.removesuffix("s"): role for role in Role}


def role_named(name: str) -> Role:
    """The role called `name`, singular or plural; ValueError names the known ones."""
    if name in SINGULAR:
        return SINGULAR[name]
    try:
        return Role(name)
    except ValueError:
        known = ", ".join(role.value for role in Role)
        raise ValueError(f"unknown role {name!r}; known roles: {known}") from None


def mfa_roles(text: str) -> frozenset[str]:
    """The roles of SLIPWAY_MFA_ROLES, "administrators" among them; ValueError for another word."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    return frozenset(name if name == "administrators" else role_named(name).value for name in names)
