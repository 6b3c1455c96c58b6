"""What waits for one person: open promotions, and everything else that needs a second one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from infra.actors import Actor
from infra.roles import Role, role_named
from releases.models import Promotion, Ramp, Waiver
from releases.promotions import APPROVALS, Decision, GateReason
from releases.selectors.facts import decisions_of
from releases.selectors.nearness import near_to_all
from releases.selectors.promotions import open_promotions
from releases.selectors.ramps import RampView, ramps, views_of
from releases.states import RampState


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """An open promotion as one person sees it."""

    promotion: Promotion
    reason: GateReason | None
    """What this person is asked for, or else the first thing in the way."""
    is_mine: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WaiverAsked:
    """A waiver that a second person has to confirm, and the open promotion it is for."""

    waiver: Waiver
    promotion: Promotion


def is_asked(actor: Actor, reason: GateReason) -> bool:
    """Whether the reason waits for one of this person's roles."""
    return any(_role(name) in actor.roles for name in reason.owner.split(","))


def _role(name: str) -> Role | None:
    try:
        return role_named(name.strip())
    except ValueError:
        return None


def waiting(actor: Actor, now: datetime) -> list[Waiting]:
    """Every open promotion, those that this person can move first."""
    found = list(open_promotions())
    decisions, near = decisions_of(found, now), near_to_all(found)
    me = str(actor.person_id)
    rows = [_waiting(actor, row, decisions[row.pk], me in near[row.pk]) for row in found]
    return sorted(rows, key=lambda row: not row.is_mine)


def _waiting(actor: Actor, promotion: Promotion, decision: Decision, is_near: bool) -> Waiting:
    for reason in decision.unmet:
        may = reason.kind != APPROVALS or not is_near
        if decision.machine_clear and reason.human and may and is_asked(actor, reason):
            return Waiting(promotion=promotion, reason=reason, is_mine=True)
    first = next(iter(decision.unmet), None)
    return Waiting(promotion=promotion, reason=first, is_mine=False)


def waivers_to_confirm(
    actor: Actor, promotions: Sequence[Promotion], now: datetime
) -> list[WaiverAsked]:
    """Waivers of these open promotions that somebody else asked for."""
    if not actor.may(Role.RELEASE_MANAGER) or not promotions:
        return []
    places = {(row.checkpoint_id, row.stage_id): row for row in promotions}
    asked = Waiver.objects.filter(
        confirmed_at=None, expires_at__gt=now, checkpoint__in={pk for pk, _ in places}
    ).exclude(asked_by=actor.person_id)
    found = [
        (row, places.get((row.checkpoint_id, row.stage_id)))
        for row in asked.select_related("asked_by").order_by("asked_at")
    ]
    return [WaiverAsked(waiver=row, promotion=of) for row, of in found if of is not None]


def ramps_in_motion(now: datetime) -> list[RampView]:
    """Ramps on their way up, and those that were stopped there; with what they wait for."""
    states = (RampState.RAMPING.value, RampState.STOPPED.value)
    rows: list[Ramp] = list(ramps().filter(state__in=states, release__ended_at=None))
    return views_of(rows, now)
