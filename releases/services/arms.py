"""The arms of a stage for one size: started, given a share, taken over, ended.

Every function is part of its caller's transaction, which has locked the stage. Shares have to add
up to 100 when it commits; each change leaves a `ShareChange`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from infra import audit
from infra.actors import Actor
from infra.lifecycles import check_move
from releases.models import Checkpoint, Hold, Promotion, Release, ShareChange, Stage
from releases.ramps import WHOLE
from releases.services.codenames import name_for_release
from releases.states import RELEASE_TRANSITIONS, Arm, ReleaseState

# Ends that take a release from its units for cause: even what it is answering is stopped.
WITHDRAWALS = frozenset({"release.demoted", "release.rolled_back"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Arms:
    """Who is live (or halted) in a stage for one size; locked rows."""

    incumbent: Release | None
    candidate: Release | None

    @property
    def all(self) -> tuple[Release, ...]:
        return tuple(r for r in (self.incumbent, self.candidate) if r is not None)


def lock_stage(stage_id: UUID) -> Stage:
    """The stage's row, locked until the transaction ends: arms change under it alone."""
    return Stage.objects.select_for_update(no_key=True).get(pk=stage_id)


def locked_arms(stage_id: UUID, size: str) -> Arms:
    """Both arms; the caller has locked the stage."""
    rows = (
        Release.objects.filter(stage=stage_id, size=size, ended_at__isnull=True)
        .select_related("checkpoint", "stage__pipeline", "promotion")
        .order_by("pk")
        .select_for_update(of=("self",), no_key=True)
    )
    by_arm = {Arm(row.arm): row for row in rows}
    return Arms(incumbent=by_arm.get(Arm.INCUMBENT), candidate=by_arm.get(Arm.CANDIDATE))


def start_arm(
    actor: Actor,
    *,
    stage: Stage,
    checkpoint: Checkpoint,
    promotion: Promotion | None,
    now: datetime,
    arm: Arm = Arm.INCUMBENT,
    share: int = WHOLE,
    beside: Release | None = None,
    is_halted: bool = False,
    reason: str = "",
) -> Release:
    """A checkpoint serves on an arm that is free; `beside`: the release on the other one."""
    release = Release.objects.create(
        stage=stage,
        family_id=checkpoint.family_id,
        size=checkpoint.size,
        arm=arm.value,
        share=share,
        checkpoint=checkpoint,
        promotion=promotion,
        state=(ReleaseState.HALTED if is_halted else ReleaseState.LIVE).value,
        halted_at=now if is_halted else None,
        started_at=now,
    )
    _keep_share(release, now)
    name_for_release(release, now, beside)
    tell(actor, release, "release.started", reason, None)
    return release


def give_share(actor: Actor, release: Release, share: int, now: datetime, reason: str) -> None:
    """Change the percent of the units that the release's arm serves."""
    if release.share == share:
        return
    before = {"share": release.share}
    release.share = share
    release.save(update_fields=["share"])
    _keep_share(release, now)
    tell(actor, release, "release.share_changed", reason, before)


def halt_arm(actor: Actor, release: Release, now: datetime, reason: str) -> None:
    """It stops serving; of a candidate the incumbent serves the share from now on."""
    check(release, ReleaseState.HALTED)
    release.state, release.halted_at = ReleaseState.HALTED.value, now
    release.save(update_fields=["state", "halted_at"])
    tell(actor, release, "release.halted", reason, {"state": ReleaseState.LIVE.value})


def end_arm(
    actor: Actor,
    release: Release,
    now: datetime,
    reason: str,
    *,
    verified: bool,
    action: str = "release.ended",
) -> None:
    """It has left its arm; whoever ends it gives the share to somebody.

    Calls that it is answering go on, unless `action` withdraws it.
    """
    before = {"state": release.state}
    check(release, ReleaseState.ENDED)
    release.state, release.ended_at = ReleaseState.ENDED.value, now
    release.withdrawn_at = now if action in WITHDRAWALS else None
    release.end_reason, release.verified = reason, verified
    release.save(update_fields=["state", "ended_at", "withdrawn_at", "end_reason", "verified"])
    tell(actor, release, action, reason, before)


def take_over(
    actor: Actor, candidate: Release, now: datetime, reason: str, share: int = WHOLE
) -> Release:
    """The candidate serves as the incumbent from now on, on a row of its own; its arm is free.

    The incumbent's arm is free already. A halted candidate stays halted: taking over is no way
    back into serving.
    """
    is_halted = candidate.state == ReleaseState.HALTED
    end_arm(actor, candidate, now, reason, verified=False, action="release.took_over")
    return start_arm(
        actor,
        stage=candidate.stage,
        checkpoint=candidate.checkpoint,
        promotion=candidate.promotion,
        now=now,
        share=share,
        is_halted=is_halted,
        reason=reason,
    )


def place_system_hold(actor: Actor, release: Release, why: str, now: datetime) -> Hold:
    """Slipway holds the checkpoint; one such hold at a time, whatever else fails meanwhile."""
    standing = Hold.objects.filter(
        checkpoint=release.checkpoint_id, owner__isnull=True, lifted_at__isnull=True
    ).first()
    if standing is not None:
        return standing
    hold = Hold.objects.create(checkpoint=release.checkpoint, owner=None, reason=why, placed_at=now)
    after = {"checkpoint": release.checkpoint.name}
    audit.record(actor=actor, action="hold.placed", subject=hold, reason=why, after=after)
    return hold


def tell(
    actor: Actor, release: Release, action: str, reason: str, before: Mapping[str, Any] | None
) -> None:
    """The audit entry of a change of a release."""
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


def check(release: Release, new: ReleaseState) -> None:
    check_move(RELEASE_TRANSITIONS, ReleaseState(release.state), new, str(release))


def _keep_share(release: Release, now: datetime) -> None:
    ShareChange.objects.create(release=release, arm=release.arm, share=release.share, at=now)
