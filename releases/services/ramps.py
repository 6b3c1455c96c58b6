"""Moves candidates up: at every look of the scheduler, or when a person lets one go on.

Each step is one transaction that locks the stage, then the line; whatever dies in between is
resumed by the next look from the rows as they are.
"""

from __future__ import annotations

import logging
from datetime import datetime
from uuid import UUID

from django.core.exceptions import ObjectDoesNotExist
from django.db import DatabaseError, transaction

from infra import clock
from infra.actors import Actor, system
from infra.errors import (
    DomainError,
    InvalidInput,
    InvalidMove,
    NotPermitted,
    PromotionBlocked,
    Reason,
)
from infra.roles import Role
from releases.models import Ramp, RampApproval, Release
from releases.ramps import WHOLE, share_at
from releases.selectors.nearness import near_to
from releases.selectors.ramps import RampView, ramp_of, ramps, views_of
from releases.selectors.releases import current_release, release_with_id
from releases.services.arms import give_share, locked_arms
from releases.services.beats import alone
from releases.services.line import take_the_line
from releases.services.releases import settle
from releases.services.rollouts import begin_step, move, snapshot, tell
from releases.states import RampState

_LOCK = 0x511B0A74
log = logging.getLogger(__name__)


def advance_ramps(now: datetime | None = None) -> int:
    """Move every ramp on whose step is over; how many moved. Nothing while another look runs."""
    moment = now or clock.now()
    with alone(_LOCK) as is_alone:
        return sum(_advance(view, moment) for view in _running(moment)) if is_alone else 0


def _running(now: datetime) -> list[RampView]:
    rows = ramps().filter(state=RampState.RAMPING.value).order_by("step_started_at", "pk")
    return views_of(list(rows), now)


def _advance(view: RampView, now: datetime) -> bool:
    if view.next.to is None:
        return False
    try:
        return _step(view.ramp.pk, view.ramp.release.stage_id, now)
    except (DomainError, DatabaseError, ObjectDoesNotExist):
        # One that can't be moved must not keep the others waiting; the next look is seconds away.
        log.warning("ramp %s could not be moved on", view.ramp.pk, exc_info=True)
        return False


def _step(ramp_id: UUID, stage_id: UUID, now: datetime) -> bool:
    """Move one ramp on if it may; what stands in the way is kept, and told once."""
    with transaction.atomic():
        take_the_line([stage_id])
        view = _locked_view(ramp_id, now)
        ramp, to = view.ramp, view.next.to
        if ramp.state != RampState.RAMPING or to is None:
            return False
        if view.obstacles:
            _hold_up(ramp, view.obstacles, now)
            return False
        _move_to(view, to, now)
    return True


def _hold_up(ramp: Ramp, obstacles: tuple[Reason, ...], now: datetime) -> None:
    why = " ".join(reason.sentence for reason in obstacles)
    if ramp.blocked_at is not None and ramp.blocked_reason == why:
        return
    ramp.blocked_at, ramp.blocked_reason = ramp.blocked_at or now, why
    ramp.save(update_fields=["blocked_at", "blocked_reason"])
    tell(system("scheduler"), ramp, "ramp.held_up", why, None)


def _move_to(view: RampView, to: int, now: datetime) -> None:
    ramp, before = view.ramp, snapshot(view.ramp)
    actor, arms = system("scheduler"), locked_arms(ramp.release.stage_id, ramp.release.size)
    if to >= view.n_steps and not ramp.holdback:
        settle(actor, arms, now, "Its last step is over.")
        return
    share = share_at(view.steps, ramp.holdback, to)
    why = _told(view, to, share)
    ramp.step = to
    if to >= view.n_steps:
        move(ramp, RampState.HELD_BACK)
    begin_step(ramp, now)
    ramp.save()
    for release, part in ((arms.candidate, share), (arms.incumbent, WHOLE - share)):
        if release is not None:
            give_share(actor, release, part, now, why)
    tell(actor, ramp, "ramp.stepped", why, before)


def _told(view: RampView, to: int, share: int) -> str:
    what = f"Step {to + 1} of {view.n_steps}" if to < view.n_steps else "Every step is done"
    folded = view.next.n_folded
    also = f"; {folded} overdue step{'s' if folded > 1 else ''} folded into it" if folded else ""
    return f"{what}: {share} %{also}."


def approve_step(
    *, actor: Actor, release: Release, comment: str, step: int | None = None
) -> Release:
    """Let the step that the ramp is at go on; it moves at once unless something else is missing.

    The release that serves now: another one where that was the last step.

    `step`, counted from 1, when given, is what the person looked at. NotPermitted for keys, the
    requester and the checkpoint's owner; InvalidMove when no approval is asked for.
    """
    person_id = actor.must_be_person("let a ramp go on")
    actor.must("let a ramp go on", Role.RELEASE_MANAGER)
    _need(comment, "comment")
    now = clock.now()
    asked = ramp_of(release)
    with transaction.atomic():
        take_the_line([release.stage_id])
        view = _locked_view(asked.pk, now)
        _must_not_be_near(actor, view.ramp)
        _must_be_asked(view, step)
        RampApproval.objects.create(
            ramp=view.ramp,
            step=view.ramp.step,
            person_id=person_id,
            comment=comment.strip(),
            approved_at=now,
        )
        tell(actor, view.ramp, "ramp.approved", comment.strip(), None)
    _step(asked.pk, release.stage_id, now)
    return _serving(release)


def _serving(release: Release) -> Release:
    """The release, or the incumbent that the candidate became by its last step."""
    row = release_with_id(release.pk)
    if row.ended_at is None:
        return row
    return current_release(row.stage, row.size) or row


def end_ramp(*, actor: Actor, release: Release, reason: str) -> Release:
    """The held-back candidate becomes the incumbent; that release.

    A forward move: PromotionBlocked with everything that stands in the way. InvalidMove while
    steps are left, and when there is no ramp to end.
    """
    actor.must_be_person("end a ramp")
    actor.must("end a ramp", Role.RELEASE_MANAGER)
    _need(reason, "reason")
    now = clock.now()
    asked = ramp_of(release)
    with transaction.atomic():
        take_the_line([release.stage_id])
        view = _locked_view(asked.pk, now)
        if view.ramp.state != RampState.HELD_BACK:
            raise _refused("ramp_not_held_back", f"{view.ramp} can't be ended: {view.sentence}")
        if view.obstacles:
            first = view.obstacles[0].sentence
            raise PromotionBlocked("promotion_blocked", first, view.obstacles)
        arms = locked_arms(release.stage_id, release.size)
        return settle(actor, arms, now, reason.strip())


def _locked_view(ramp_id: UUID, now: datetime) -> RampView:
    row = ramps().select_for_update(of=("self",), no_key=True).get(pk=ramp_id)
    return views_of([row], now)[0]


def _must_not_be_near(actor: Actor, ramp: Ramp) -> None:
    """The same persons who could not approve the promotion."""
    promotion = ramp.release.promotion
    near = near_to(promotion).get(str(actor.person_id), ()) if promotion else ()
    found = [
        Reason(
            code=way.code,
            sentence=f"{actor.name} {way.why}: somebody else has to let it go on.",
        )
        for way in near
    ]
    if found:
        raise NotPermitted(found[0].code, found[0].sentence, found)


def _must_be_asked(view: RampView, step: int | None) -> None:
    if step is not None and step != view.ramp.step + 1:
        raise _refused("step_changed", f"The ramp is not at step {step}: {view.sentence}")
    if not view.asks_approval:
        raise _refused("no_approval_asked", f"Nobody is asked now: {view.sentence}")


def _need(text: str, field: str) -> None:
    if not text.strip():
        sentence = f"Say why: `{field}` is what the audit will show."
        raise InvalidInput("reason_missing", sentence)


def _refused(code: str, sentence: str) -> InvalidMove:
    return InvalidMove(code, sentence, [Reason(code=code, sentence=sentence)])
