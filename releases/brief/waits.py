"""What only this person's roles can move."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from django.urls import reverse

from infra.brief.contract import Asked, Line
from infra.roles import Role
from releases.promotions import APPROVALS
from releases.selectors.blocks import follow_ups_owed, line_stop_in_force, rejections_in_force
from releases.selectors.ramps import RampView
from releases.selectors.waiting import Waiting, ramps_in_motion, waiting, waivers_to_confirm
from releases.wording import quoted

_confirm = partial(Line, act="Confirm", word="asked")


def waits(asked: Asked) -> list[Line]:
    """Votes, answers, second persons, ramp steps and follow-ups."""
    actor = asked.actor
    if not actor.is_person or not actor.roles:
        return []
    queue = waiting(actor, asked.now)
    found = [_promotion(row) for row in queue if row.is_mine]
    if actor.may(Role.RELEASE_MANAGER):
        found += [*_waivers(asked, queue), *_ramps(asked), *_lifts(asked), *_follow_ups(asked)]
    return found


def _promotion(row: Waiting) -> Line:
    is_vote = row.reason is not None and row.reason.kind == APPROVALS
    return Line(
        title=f"{row.promotion.checkpoint.name} → {row.promotion.stage.name}",
        sentence=row.reason.sentence if row.reason else "",
        address=reverse("console-promotion", args=[row.promotion.pk]),
        word="approval" if is_vote else "sign-off",
        act="Decide" if is_vote else "Answer",
        at=row.promotion.requested_at,
    )


def _waivers(asked: Asked, queue: list[Waiting]) -> Iterator[Line]:
    promotions = [row.promotion for row in queue]
    for row in waivers_to_confirm(asked.actor, promotions, asked.now):
        waiver, promotion = row.waiver, row.promotion
        yield _confirm(
            title=f"Waive {waiver.gate_id} for {promotion.checkpoint.name}",
            sentence=f"{waiver.asked_by} asks: {quoted(waiver.reason)}",
            address=reverse("console-promotion", args=[promotion.pk]),
            at=waiver.asked_at,
        )


def _ramps(asked: Asked) -> Iterator[Line]:
    for view in ramps_in_motion(asked.now):
        if view.asks_approval:
            yield _ramp_step(view)


def _ramp_step(view: RampView) -> Line:
    release = view.ramp.release
    return Line(
        title=f"{release.checkpoint.name} in {release.stage}",
        sentence=view.sentence,
        address=reverse("console-stage", args=[release.stage_id]),
        word="ramp step",
        act="Let it go on",
        at=view.ramp.step_started_at,
    )


def _lifts(asked: Asked) -> Iterator[Line]:
    me, stop = asked.actor.person_id, line_stop_in_force()
    if stop is not None and stop.lift_asked_by_id not in (None, me):
        yield _confirm(
            title="Start the line again",
            sentence=f"{stop.lift_asked_by} asks: {quoted(stop.lift_reason)}",
            address=reverse("console-line"),
            at=stop.lift_asked_at,
        )
    for row in rejections_in_force().exclude(lift_asked_by=None).exclude(lift_asked_by=me):
        yield _confirm(
            title=f"Take back the rejection of {row.checkpoint.name}",
            sentence=f"{row.lift_asked_by} asks: {quoted(row.lift_reason)}",
            address=reverse("console-checkpoint", args=[row.checkpoint_id]),
            at=row.lift_asked_at,
        )


def _follow_ups(asked: Asked) -> Iterator[Line]:
    for row in follow_ups_owed():
        yield Line(
            title=f"Follow-up of {row.promotion.checkpoint.name}",
            sentence=f"A hotfix went into {row.promotion.stage}: say by "
            f"{row.due_at:%Y-%m-%d %H:%M} UTC what was looked at, or nothing is promoted there.",
            address=reverse("console-promotion", args=[row.promotion_id]),
            word="missed" if row.due_at <= asked.now else "due",
            act="Complete",
            at=row.due_at,
        )
