"""Who may do what: a matrix of the rules that the services themselves hold."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from infra.console.pages import Page
from infra.models import User
from infra.rights import Right, rights
from infra.roles import Role

PARTS = {
    "infra": "People, keys and webhooks",
    "releases": "Checkpoints and releases",
    "alpha": "Partners and feedback",
    "evals": "Suites, runs and judges",
}


class RightsPage(Page):
    """Every right by role; made from the code that refuses, so it can't say anything else."""

    template_name = "console/rights.html"
    title = "Roles"

    def context(self) -> dict[str, Any]:
        parts = groupby(rights(), key=lambda right: right.app)
        return {
            "roles": [_heading(role) for role in Role],
            "parts": [(PARTS[app], [self._row(right) for right in found]) for app, found in parts],
            "holders": _holders(),
        }

    def _row(self, right: Right) -> dict[str, Any]:
        cells = [(_heading(role), role in right.roles) for role in Role]
        return {
            "right": right,
            "cells": [*cells, ("administrators", right.is_for_administrators)],
            "is_yours": self.actor.may(*right.roles)
            or (right.is_for_administrators and self.actor.is_administrator),
        }


def _heading(role: Role) -> str:
    return role.value.replace("-", " ")


def _holders() -> list[tuple[str, list[str]]]:
    """Each role with the names of who holds it now; administrators last."""
    active = User.objects.filter(is_active=True, person__left_at=None).order_by("person__name")
    found: dict[str, list[str]] = {role.value: [] for role in Role}
    for name, group in active.values_list("person__name", "groups__name"):
        if group in found:
            found[group].append(name)
    named = [(role.replace("-", " "), names) for role, names in found.items()]
    administrators = active.filter(is_superuser=True).values_list("person__name", flat=True)
    return [*named, ("administrators", list(administrators))]
