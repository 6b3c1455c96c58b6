"""Pages and actions of the console as things to find."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.urls import reverse

from alpha.services.finding_moves import JUDGES
from evals.services.runs import STARTERS
from infra.console.menu import PAGES, RECORDS
from infra.roles import Role
from infra.search.contract import Hit, Sought
from infra.search.kinds import HitKind
from releases.services.holds import HOLDERS


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """Something to do, the page with its form, and who may."""

    title: str
    also: str
    """Other words for it."""
    route: str
    roles: tuple[Role, ...]
    place: str = ""


ACTIONS = (
    Action(
        title="Stop the line",
        also="emergency halt everything freeze all brake",
        route="console-line",
        roles=(Role.RELEASE_MANAGER,),
    ),
    Action(
        title="Halt, demote or roll back a release",
        also="stop serving alpha rollback incident",
        route="console-board",
        roles=(Role.RELEASE_MANAGER,),
    ),
    Action(
        title="Request a promotion",
        also="promote ship release",
        route="console-board",
        roles=(Role.ENGINEER, Role.RELEASE_MANAGER),
    ),
    Action(
        title="Hold a checkpoint or a stage",
        also="block pause",
        route="console-board",
        roles=HOLDERS,
    ),
    Action(
        title="Start a run",
        also="eval evaluate suite",
        route="console-runs",
        roles=STARTERS,
        place="#start",
    ),
    Action(
        title="Start a set of runs",
        also="nightly evening eval",
        route="console-run-sets",
        roles=STARTERS,
        place="#start",
    ),
    Action(
        title="Import a suite or results",
        also="upload file promptfoo inspect",
        route="console-imports",
        roles=(Role.EVAL_OWNER, Role.ENGINEER),
    ),
    Action(
        title="Issue a partner's key, or revoke one",
        also="api token access grant",
        route="console-partners",
        roles=(Role.PARTNER_MANAGER,),
    ),
    Action(
        title="Send a notice, or recall a checkpoint",
        also="tell partners withdraw",
        route="console-notices",
        roles=(Role.PARTNER_MANAGER, Role.RELEASE_MANAGER),
    ),
    Action(
        title="Open a finding",
        also="weakness bug report",
        route="console-findings",
        roles=(*JUDGES, Role.ENGINEER),
    ),
    Action(
        title="Make a service key",
        also="pipeline ci token",
        route="console-service-keys",
        roles=(Role.RELEASE_MANAGER,),
    ),
    Action(
        title="Simulate a promotion",
        also="what would happen dry run",
        route="console-simulate",
        roles=tuple(Role),
    ),
    Action(
        title="Find a call by its request id",
        also="trace usage event lookup",
        route="console-calls",
        roles=tuple(Role),
    ),
)


def pages(sought: Sought) -> Iterator[Hit]:
    """Pages of the menu, by title and group."""
    for group, items in (*PAGES, ("Records", RECORDS)):
        for title, _, route in items:
            if _has_all(sought, f"{title} {group}"):
                yield Hit(kind=HitKind.PAGE, title=title, detail=group, address=reverse(route))


def actions(sought: Sought) -> Iterator[Hit]:
    """What this person may do; found by other words for it, too."""
    for action in ACTIONS:
        if sought.actor.may(*action.roles) and _has_all(sought, f"{action.title} {action.also}"):
            yield Hit(
                kind=HitKind.ACTION,
                title=action.title,
                detail="",
                address=reverse(action.route) + action.place,
            )


def _has_all(sought: Sought, text: str) -> bool:
    found = text.lower()
    return all(word in found for word in sought.words)
