"""Rejections: a checkpoint leaves every stage at once; only two persons take that back."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from infra import clock
from infra.actors import Actor
from infra.errors import InvalidMove, Reason
from infra.roles import Role
from releases.models import Checkpoint, Rejection, Release, Stage, Waiver
from releases.selectors.promotions import decision_of, open_promotions
from releases.services.lifting import (
    ask_to_lift,
    confirm_lift,
    must_not_be,
    must_say_why,
    tell,
)
from releases.services.promotions.evaluate import record
from releases.services.promotions.moves import locked
from releases.services.releases import demote_release
from releases.states import OPEN_PROMOTIONS
from releases.wording import quoted

_UNREJECT = "take the rejection back"


def reject_checkpoint(*, actor: Actor, checkpoint: Checkpoint, reason: str) -> Rejection:
    """Demote it everywhere and end its open promotions, in one transaction; holds, freezes and the
    stopped line never stand in the way."""
    person_id = actor.must_be_person("reject a checkpoint")
    actor.must("reject checkpoints", Role.RELEASE_MANAGER)
    reason = must_say_why(reason)
    with transaction.atomic():
        _lock_stages(checkpoint)
        _refuse_twice(checkpoint)
        row = Rejection.objects.create(
            checkpoint=checkpoint,
            rejected_by_id=person_id,
            reason=reason,
            rejected_at=clock.now(),
        )
        ended = _end_promotions(actor, checkpoint, reason)
        left = _demote(actor, checkpoint, reason)
        n_waivers = _end_waivers(checkpoint)
        tell(
            actor,
            row,
            "checkpoint.rejected",
            reason,
            demoted_from=", ".join(left),
            ended_promotions=", ".join(ended),
            n_waivers_ended=str(n_waivers),
        )
    return row


def ask_to_unreject(*, actor: Actor, checkpoint: Checkpoint, reason: str) -> Rejection:
    """The first of two release managers, neither of whom owns the checkpoint."""
    with transaction.atomic():
        row = _locked(checkpoint)
        must_not_be(actor, _too_near(checkpoint), _UNREJECT)
        ask_to_lift(actor, row, _UNREJECT, reason)
        tell(actor, row, "checkpoint.unreject_asked", row.lift_reason)
    return row


def confirm_unreject(*, actor: Actor, checkpoint: Checkpoint) -> Rejection:
    """The second person: the checkpoint may be promoted again, by a new request in each stage."""
    with transaction.atomic():
        row = _locked(checkpoint)
        confirm_lift(actor, row, _UNREJECT, _too_near(checkpoint))
        asker = row.lift_asked_by.name if row.lift_asked_by else ""
        tell(actor, row, "checkpoint.unrejected", row.lift_reason, asked_by=asker)
    return row


def _lock_stages(checkpoint: Checkpoint) -> None:
    """Every stage of its family, in the order of all forward moves: none of them executes now."""
    stages = Stage.objects.filter(pipeline__family=checkpoint.family_id).order_by("pk")
    list(stages.select_for_update(no_key=True))


def _refuse_twice(checkpoint: Checkpoint) -> None:
    standing = Rejection.objects.filter(checkpoint=checkpoint, lifted_at__isnull=True).first()
    if standing is not None:
        sentence = (
            f"{standing.rejected_by} rejected {checkpoint} already: {quoted(standing.reason)}"
        )
        refusal = Reason(code="rejected_already", sentence=sentence)
        raise InvalidMove("rejected_already", sentence, [refusal])


def _end_promotions(actor: Actor, checkpoint: Checkpoint, reason: str) -> list[str]:
    """Judged with the rejection that now blocks them, each is rejected and recorded."""
    ended = []
    mine = open_promotions().filter(checkpoint=checkpoint).order_by("pk")
    for promotion_id in list(mine.values_list("pk", flat=True)):
        row = locked(promotion_id)
        if row.state in OPEN_PROMOTIONS:
            why = f"The checkpoint was rejected: {reason}"
            record(actor, row, decision_of(row), {}, "promotion.rejected", clock.now(), why)
            ended.append(str(row))
    return ended


def _demote(actor: Actor, checkpoint: Checkpoint, reason: str) -> list[str]:
    live = Release.objects.filter(checkpoint=checkpoint, ended_at__isnull=True)
    return [
        str(demote_release(actor=actor, release=release, reason=f"Rejected: {reason}").stage)
        for release in live.select_related("stage__pipeline").order_by("stage_id", "pk")
    ]


def _end_waivers(checkpoint: Checkpoint) -> int:
    """What was waived before is asked again, should the rejection ever be taken back."""
    now = clock.now()
    return Waiver.objects.filter(checkpoint=checkpoint, expires_at__gt=now).update(expires_at=now)


def _locked(checkpoint: Checkpoint) -> Rejection:
    rows = Rejection.objects.select_for_update(of=("self",), no_key=True)
    related = rows.select_related("checkpoint", "rejected_by", "lift_asked_by")
    row = related.filter(checkpoint=checkpoint, lifted_at__isnull=True).first()
    if row is None:
        raise InvalidMove("not_rejected", f"{checkpoint} is not rejected.")
    return row


def _too_near(checkpoint: Checkpoint) -> dict[UUID, str]:
    return {checkpoint.owner_id: f"owns {checkpoint}"}
