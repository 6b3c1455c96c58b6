"""What is live where: going live, halting, demoting, rolling back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction

from infra import audit, clock
from infra.actors import Actor
from infra.errors import InvalidInput, InvalidMove, Reason
from infra.lifecycles import check_move
from infra.roles import Role
from releases.models import Checkpoint, Hold, Promotion, Release, Stage
from releases.services.codenames import name_for_release
from releases.states import RELEASE_TRANSITIONS, Arm, ReleaseState

WHOLE = 100


def go_live(*, actor: Actor, promotion: Promotion, now: datetime) -> Release:
    """Replace what is live by the promoted checkpoint; part of the promotion's transaction.

    The caller has locked the stage. What was live and not halted is verified by it.
    """
    checkpoint, stage = promotion.checkpoint, promotion.stage
    refusal = ramp_refusal(stage, checkpoint.size)
    if refusal is not None:
        raise InvalidMove(refusal.code, refusal.sentence, [refusal])
    reason = f"Replaced by {checkpoint.name}."
    for release in _current(stage, checkpoint.size):
        _end(actor, release, now, reason, verified=release.state == ReleaseState.LIVE)
    return _start(actor, stage, checkpoint, now, promotion)


def ramp_refusal(stage: Stage, size: str) -> Reason | None:
    """Why a stage with a ramp takes nothing while something is live: only whole steps are made."""
    if not stage.policy.get("ramp"):
        return None
    there = Release.objects.filter(stage=stage, size=size, ended_at__isnull=True)
    if not there.exists():
        return None
    sentence = (
        f"{stage} asks for a ramp, and traffic can't be moved step by step yet: apply the stage "
        "without `ramp`, and the checkpoint replaces what is live in one step."
    )
    return Reason(code="ramp_not_available", sentence=sentence)


def halt_release(*, actor: Actor, release: Release, reason: str) -> Release:
    """It stops serving at once; a release manager resumes it. Holds never stand in the way."""
    actor.must("halt releases", Role.RELEASE_MANAGER)
    _need(reason)
    with transaction.atomic():
        row = _locked(release)
        _check(row, ReleaseState.HALTED)
        row.state, row.halted_at = ReleaseState.HALTED.value, clock.now()
        row.save(update_fields=["state", "halted_at"])
        _tell(actor, row, "release.halted", reason, {"state": ReleaseState.LIVE.value})
    return row


def resume_release(*, actor: Actor, release: Release, reason: str) -> Release:
    """The release that serves again: a row of its own, so that history shows the break."""
    actor.must_be_person("resume a halted release")
    actor.must("resume releases", Role.RELEASE_MANAGER)
    _need(reason)
    with transaction.atomic():
        row = _locked(release)
        _check(row, ReleaseState.LIVE)
        now = clock.now()
        _end(actor, row, now, f"Resumed: {reason}", verified=False)
        return _start(actor, row.stage, row.checkpoint, now, row.promotion, like=row, reason=reason)


def demote_release(*, actor: Actor, release: Release, reason: str) -> Release:
    """It leaves the stage; only a new promotion brings it back."""
    actor.must("demote releases", Role.RELEASE_MANAGER)
    _need(reason)
    with transaction.atomic():
        row = _locked(release)
        _check(row, ReleaseState.ENDED)
        _end(actor, row, clock.now(), reason, verified=False, action="release.demoted")
    return row


def roll_back(*, actor: Actor, stage: Stage, size: str, reason: str) -> Release:
    """The last verified release's checkpoint serves again; what failed gets a hold of Slipway's.

    One transaction, no gate is evaluated, no hold is asked. InvalidMove when nothing is live, or
    nothing verified was before it.
    """
    actor.must("roll back releases", Role.RELEASE_MANAGER)
    _need(reason)
    with transaction.atomic():
        row = Stage.objects.select_for_update(no_key=True).get(pk=stage.pk)
        failed = _current(row, size)
        if not failed:
            raise _refused("nothing_live", f"Nothing of size {size} is live in {stage}.")
        returning = last_verified(row, size, {release.checkpoint_id for release in failed})
        if returning is None:
            sentence = (
                f"No verified {size} release was in {stage} before "
                f"{failed[0].checkpoint}: halt or demote it instead."
            )
            raise _refused("nothing_to_return_to", sentence)
        now = clock.now()
        for release in failed:
            _end(actor, release, now, reason, verified=False, action="release.rolled_back")
            _hold_failed(actor, release, reason, now)
        return _start(actor, row, returning.checkpoint, now, returning.promotion, reason=reason)


def last_verified(stage: Stage, size: str, failed: set[UUID]) -> Release | None:
    """The newest release whose checkpoint's last stay here ended in good order."""
    history = Release.objects.filter(stage=stage, size=size, ended_at__isnull=False)
    seen = set(failed)
    for release in history.select_related("checkpoint", "promotion").order_by("-ended_at", "-pk"):
        if release.checkpoint_id not in seen and release.verified:
            return release
        seen.add(release.checkpoint_id)
    return None


def _current(stage: Stage, size: str) -> Sequence[Release]:
    rows = Release.objects.filter(stage=stage, size=size, ended_at__isnull=True)
    related = rows.select_related("checkpoint", "stage__pipeline", "promotion")
    return list(related.order_by("pk").select_for_update(of=("self",), no_key=True))


def _locked(release: Release) -> Release:
    Stage.objects.select_for_update(no_key=True).get(pk=release.stage_id)
    related = Release.objects.select_related("checkpoint", "stage__pipeline", "promotion")
    return related.select_for_update(of=("self",), no_key=True).get(pk=release.pk)


def _start(
    actor: Actor,
    stage: Stage,
    checkpoint: Checkpoint,
    now: datetime,
    promotion: Promotion | None,
    like: Release | None = None,
    reason: str = "",
) -> Release:
    release = Release.objects.create(
        stage=stage,
        family_id=checkpoint.family_id,
        size=checkpoint.size,
        arm=like.arm if like else Arm.INCUMBENT.value,
        share=like.share if like else WHOLE,
        checkpoint=checkpoint,
        promotion=promotion,
        started_at=now,
    )
    name_for_release(release, now)
    _tell(actor, release, "release.started", reason, None)
    return release


def _end(
    actor: Actor,
    release: Release,
    now: datetime,
    reason: str,
    *,
    verified: bool,
    action: str = "release.ended",
) -> None:
    before = {"state": release.state}
    _check(release, ReleaseState.ENDED)
    release.state, release.ended_at = ReleaseState.ENDED.value, now
    release.end_reason, release.verified = reason, verified
    release.save(update_fields=["state", "ended_at", "end_reason", "verified"])
    _tell(actor, release, action, reason, before)


def _hold_failed(actor: Actor, release: Release, reason: str, now: datetime) -> None:
    hold = Hold.objects.create(
        checkpoint=release.checkpoint,
        owner=None,
        reason=f"Rolled back from {release.stage}: {reason}",
        placed_at=now,
    )
    audit.record(
        actor=actor,
        action="hold.placed",
        subject=hold,
        reason=hold.reason,
        after={"checkpoint": release.checkpoint.name},
    )


def _tell(
    actor: Actor, release: Release, action: str, reason: str, before: dict[str, str] | None
) -> None:
    after = {
        "state": release.state,
        "checkpoint": release.checkpoint.name,
        "stage": str(release.stage),
        "size": release.size,
        "arm": release.arm,
        "share": release.share,
    }
    audit.record(
        actor=actor, action=action, subject=release, reason=reason, before=before, after=after
    )


def _check(release: Release, new: ReleaseState) -> None:
    check_move(RELEASE_TRANSITIONS, ReleaseState(release.state), new, str(release))


def _need(reason: str) -> None:
    if not reason.strip():
        raise InvalidInput("reason_missing", "Say why: `reason` is what the audit will show.")


def _refused(code: str, sentence: str) -> InvalidMove:
    return InvalidMove(code, sentence, [Reason(code=code, sentence=sentence)])
