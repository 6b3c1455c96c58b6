"""What is live where: going live, halting, demoting, rolling back.

Nothing here that leads back asks a gate, a hold, a freeze or the line.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction

from infra import clock
from infra.actors import Actor
from infra.errors import InvalidInput, InvalidMove, PromotionBlocked, Reason
from infra.roles import Role
from releases.models import Promotion, Release, Stage
from releases.ramps import WHOLE, first_share, is_gradual
from releases.selectors.blocks import rejections_in_force
from releases.services.arms import (
    Arms,
    check,
    end_arm,
    give_share,
    halt_arm,
    lock_stage,
    locked_arms,
    place_system_hold,
    start_arm,
    take_over,
)
from releases.services.codenames import name_for_release
from releases.services.rollouts import (
    close_ramp,
    ramp_state,
    resume_ramp,
    start_ramp,
    stop_ramp,
)
from releases.states import Arm, RampState, ReleaseState


def go_live(*, actor: Actor, promotion: Promotion, now: datetime) -> Release:
    """The promoted checkpoint serves; part of the promotion's transaction.

    Beside a live incumbent it begins as the candidate where the stage has a ramp or a holdback;
    elsewhere it replaces what is there, and what was live is verified by it. The caller has locked
    the stage. PromotionBlocked while another candidate is on its way up.
    """
    checkpoint, stage = promotion.checkpoint, promotion.stage
    arms = locked_arms(stage.pk, checkpoint.size)
    standing = ramp_state(arms.candidate)
    if standing is RampState.RAMPING:
        sentence = f"{arms.candidate} is on its way up: the next one waits until its ramp ends."
        reason = Reason(code="ramp_running", sentence=sentence)
        raise PromotionBlocked("promotion_blocked", sentence, [reason])
    is_settled = standing is RampState.HELD_BACK and _is_live(arms.candidate)
    base = arms.candidate if is_settled else arms.incumbent
    if not (is_gradual(promotion.policy) and _is_live(base)):
        return _replace_all(actor, promotion, arms, now, is_settled)
    return _begin_beside(actor, promotion, arms, now, is_settled)


def _replace_all(
    actor: Actor, promotion: Promotion, arms: Arms, now: datetime, is_settled: bool
) -> Release:
    why = f"Replaced by {promotion.checkpoint.name}."
    for release in arms.all:
        in_order = release is arms.incumbent or is_settled
        end_arm(actor, release, now, why, verified=in_order and _is_live(release))
    if arms.candidate is not None:
        close_ramp(actor, arms.candidate, now, why, took_over=is_settled)
    return start_arm(
        actor,
        stage=promotion.stage,
        checkpoint=promotion.checkpoint,
        promotion=promotion,
        now=now,
    )


def _begin_beside(
    actor: Actor, promotion: Promotion, arms: Arms, now: datetime, is_settled: bool
) -> Release:
    """The checkpoint as the candidate with its first share; a settled one makes room first."""
    policy, why = promotion.policy, f"Makes room for {promotion.checkpoint.name}."
    share = first_share(policy)
    incumbent = arms.incumbent
    if is_settled and arms.candidate is not None:
        incumbent = settle(actor, arms, now, why, share=WHOLE - share)
    else:
        if arms.candidate is not None:
            end_arm(actor, arms.candidate, now, why, verified=False)
            close_ramp(actor, arms.candidate, now, why, took_over=False)
        if incumbent is not None:
            give_share(actor, incumbent, WHOLE - share, now, why)
    candidate = start_arm(
        actor,
        stage=promotion.stage,
        checkpoint=promotion.checkpoint,
        promotion=promotion,
        now=now,
        arm=Arm.CANDIDATE,
        share=share,
        beside=incumbent,
    )
    start_ramp(actor, candidate, policy, now)
    return candidate


def settle(actor: Actor, arms: Arms, now: datetime, why: str, share: int = WHOLE) -> Release:
    """The candidate becomes the incumbent; the one that it replaces is verified if it was live."""
    if arms.candidate is None:
        raise InvalidMove("no_candidate", "There is no candidate that could become the incumbent.")
    if arms.incumbent is not None:
        replaced = f"Replaced by {arms.candidate.checkpoint.name}."
        end_arm(actor, arms.incumbent, now, replaced, verified=_is_live(arms.incumbent))
    close_ramp(actor, arms.candidate, now, why, took_over=True)
    return take_over(actor, arms.candidate, now, why, share)


def halt_release(*, actor: Actor, release: Release, reason: str) -> Release:
    """It stops serving at once; a release manager resumes it. Holds never stand in the way."""
    actor.must("halt releases", Role.RELEASE_MANAGER)
    _need(reason)
    with transaction.atomic():
        lock_stage(release.stage_id)
        row, now = _locked(release), clock.now()
        halt_arm(actor, row, now, reason)
        stop_ramp(actor, row, now, reason)
    return row


def resume_release(*, actor: Actor, release: Release, reason: str) -> Release:
    """The release that serves again: a row of its own, so that history shows the break.

    A candidate's ramp goes on with it, from the start of the step where it was halted.
    """
    actor.must_be_person("resume a halted release")
    actor.must("resume releases", Role.RELEASE_MANAGER)
    _need(reason)
    with transaction.atomic():
        lock_stage(release.stage_id)
        row, now = _locked(release), clock.now()
        check(row, ReleaseState.LIVE)
        arms = locked_arms(row.stage_id, row.size)
        end_arm(actor, row, now, f"Resumed: {reason}", verified=False)
        resumed = start_arm(
            actor,
            stage=row.stage,
            checkpoint=row.checkpoint,
            promotion=row.promotion,
            now=now,
            arm=Arm(row.arm),
            share=row.share,
            beside=next((other for other in arms.all if other.pk != row.pk), None),
            reason=reason,
        )
        resume_ramp(actor, row, resumed, now, reason)
    return resumed


def demote_release(*, actor: Actor, release: Release, reason: str) -> Release:
    """It leaves the stage; only a new promotion brings it back.

    What is on the other arm serves everybody then: `end_reason` says so.
    """
    actor.must("demote releases", Role.RELEASE_MANAGER)
    _need(reason)
    with transaction.atomic():
        lock_stage(release.stage_id)
        row, now = _locked(release), clock.now()
        check(row, ReleaseState.ENDED)
        arms = locked_arms(row.stage_id, row.size)
        if row.arm == Arm.CANDIDATE:
            _take_out(actor, row, arms.incumbent, now, reason, "release.demoted")
        elif arms.candidate is None:
            end_arm(actor, row, now, reason, verified=False, action="release.demoted")
        else:
            said = f"{reason} ({arms.candidate.checkpoint.name} takes over with 100 %.)"
            end_arm(actor, row, now, said, verified=False, action="release.demoted")
            close_ramp(actor, arms.candidate, now, said, took_over=True)
            take_over(actor, arms.candidate, now, said)
    return row


def roll_back(*, actor: Actor, stage: Stage, size: str, reason: str) -> Release:
    """The last verified release serves everybody again; what failed gets a hold of Slipway's.

    A candidate leaves to its live incumbent; without one the last verified checkpoint returns.
    One transaction. InvalidMove when nothing is live, or nothing verified was before it.
    """
    actor.must("roll back releases", Role.RELEASE_MANAGER)
    _need(reason)
    with transaction.atomic():
        row, now = lock_stage(stage.pk), clock.now()
        arms = locked_arms(row.pk, size)
        if not arms.all:
            raise _refused("nothing_live", f"Nothing of size {size} is live in {stage}.")
        if arms.candidate is not None and _is_live(arms.incumbent):
            return roll_back_candidate(actor, arms, now, reason)
        return _roll_back_all(actor, row, arms, now, reason)


def roll_back_candidate(actor: Actor, arms: Arms, now: datetime, reason: str) -> Release:
    """The incumbent serves everybody again; part of the caller's transaction."""
    if arms.candidate is None or arms.incumbent is None:
        raise _refused("no_candidate", "There is no candidate that could be rolled back.")
    _take_out(actor, arms.candidate, arms.incumbent, now, reason, "release.rolled_back")
    _hold_failed(actor, arms.candidate, reason, now)
    return arms.incumbent


def _roll_back_all(actor: Actor, stage: Stage, arms: Arms, now: datetime, reason: str) -> Release:
    failed = arms.all
    returning = last_verified(stage, failed[0].size, {r.checkpoint_id for r in failed})
    if returning is None:
        sentence = (
            f"No verified {failed[0].size} release was in {stage} before "
            f"{failed[0].checkpoint}: halt or demote it instead."
        )
        raise _refused("nothing_to_return_to", sentence)
    for release in failed:
        end_arm(actor, release, now, reason, verified=False, action="release.rolled_back")
        close_ramp(actor, release, now, reason, took_over=False)
        _hold_failed(actor, release, reason, now)
    return start_arm(
        actor,
        stage=stage,
        checkpoint=returning.checkpoint,
        promotion=returning.promotion,
        now=now,
        reason=reason,
    )


def would_return(stage: Stage, size: str, current: Sequence[Release]) -> Release | None:
    """What a roll back would leave to serve everybody; None where it would be refused."""
    by_arm = {Arm(row.arm): row for row in current}
    incumbent = by_arm.get(Arm.INCUMBENT)
    if Arm.CANDIDATE in by_arm and _is_live(incumbent):
        return incumbent
    return last_verified(stage, size, {row.checkpoint_id for row in current})


def last_verified(stage: Stage, size: str, failed: set[UUID]) -> Release | None:
    """The newest release whose checkpoint's last stay here ended in good order."""
    history = Release.objects.filter(stage=stage, size=size, ended_at__isnull=False)
    # What was rejected comes back by nothing but two persons, wherever it was in good order before.
    rejected = rejections_in_force().values_list("checkpoint", flat=True)
    seen = {*failed, *rejected}
    for release in history.select_related("checkpoint", "promotion").order_by("-ended_at", "-pk"):
        if release.checkpoint_id not in seen and release.verified:
            return release
        seen.add(release.checkpoint_id)
    return None


def _take_out(
    actor: Actor, row: Release, incumbent: Release | None, now: datetime, reason: str, action: str
) -> None:
    """The candidate leaves, and the incumbent has every unit again."""
    end_arm(actor, row, now, reason, verified=False, action=action)
    close_ramp(actor, row, now, reason, took_over=False)
    if incumbent is not None:
        give_share(actor, incumbent, WHOLE, now, reason)
        name_for_release(incumbent, now)


def _locked(release: Release) -> Release:
    related = Release.objects.select_related("checkpoint", "stage__pipeline", "promotion")
    return related.select_for_update(of=("self",), no_key=True).get(pk=release.pk)


def _is_live(release: Release | None) -> bool:
    return release is not None and release.state == ReleaseState.LIVE


def _hold_failed(actor: Actor, release: Release, reason: str, now: datetime) -> None:
    place_system_hold(actor, release, f"Rolled back from {release.stage}: {reason}", now)


def _need(reason: str) -> None:
    if not reason.strip():
        raise InvalidInput("reason_missing", "Say why: `reason` is what the audit will show.")


def _refused(code: str, sentence: str) -> InvalidMove:
    return InvalidMove(code, sentence, [Reason(code=code, sentence=sentence)])
