"""Opens a promotion, and takes it back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from infra import audit, clock
from infra.actors import Actor
from infra.errors import InvalidInput, PromotionBlocked, Reason
from infra.roles import Role, Scope
from releases.gates.terms import expiry
from releases.models import Checkpoint, Promotion, PromotionSet, Release, Stage
from releases.promotions import blocked
from releases.selectors.blocks import Move, blocks_on
from releases.selectors.promotions import OPEN, as_refusal_reason, promotion_with_id
from releases.services.promotions.decided import decided_already
from releases.services.promotions.evaluate import evaluate_promotion
from releases.services.promotions.moves import (
    first_sentence,
    locked,
    move,
    must_be_open,
    must_have_text,
    snapshot,
)
from releases.services.promotions.sets import end_the_rest
from releases.states import Block, PromotionState

HOTFIX_REASON = 20


def request_promotion(
    *, actor: Actor, checkpoint: Checkpoint, stage: Stage, reason: str, hotfix: bool = False
) -> Promotion:
    """An open promotion, evaluated once; PromotionBlocked with every reason why it can't be.

    A hotfix skips soak and exposure alone, and owes a follow-up: for release managers only.
    """
    (promotion,) = _request(actor, [checkpoint], stage, reason, hotfix)
    return promotion


def request_set(
    *,
    actor: Actor,
    checkpoints: Sequence[Checkpoint],
    stage: Stage,
    reason: str,
    hotfix: bool = False,
) -> list[Promotion]:
    """Several sizes of one family that go into the stage together: all of them, or none.

    One promotion each, in the order given; PromotionBlocked with every reason of every member.
    """
    sizes = [checkpoint.size for checkpoint in checkpoints]
    if len(sizes) < 2 or len(set(sizes)) < len(sizes):
        sentence = f"A set is of two or more checkpoints, one a size; this has {sizes}."
        raise InvalidInput("bad_set", sentence, [Reason(code="bad_set", sentence=sentence)])
    return _request(actor, checkpoints, stage, reason, hotfix)


def _request(
    actor: Actor, checkpoints: Sequence[Checkpoint], stage: Stage, reason: str, hotfix: bool
) -> list[Promotion]:
    actor.must("request promotions", Role.ENGINEER, Role.RELEASE_MANAGER, scope=Scope.PROMOTE)
    if hotfix:
        actor.must("request a hotfix", Role.RELEASE_MANAGER)
    at_least = HOTFIX_REASON if hotfix else 1
    reason = must_have_text(reason, "The reason of a promotion", at_least=at_least)
    now = clock.now()
    asked = [_asked(actor, checkpoint, stage, reason, hotfix, now) for checkpoint in checkpoints]
    refusals = [refusal for promotion in asked for refusal in _refusals(promotion, now)]
    if refusals:
        raise PromotionBlocked("promotion_blocked", first_sentence(refusals), refusals)
    try:
        with transaction.atomic():
            _save(actor, asked, stage, now)
    except IntegrityError as error:
        raised = [_open_already(checkpoint, stage) for checkpoint in checkpoints]
        raise PromotionBlocked("promotion_blocked", raised[0].sentence, raised) from error
    rows = [promotion_with_id(promotion.pk) for promotion in asked]
    return [evaluate_promotion(actor=actor, promotion=row) for row in rows]


def _asked(
    actor: Actor, checkpoint: Checkpoint, stage: Stage, reason: str, hotfix: bool, now: datetime
) -> Promotion:
    return Promotion(
        checkpoint=checkpoint,
        stage=stage,
        reason=reason,
        requested_by_id=actor.person_id,
        requester_name=actor.name,
        requested_at=now,
        expires_at=now + expiry(stage.policy),
        policy=stage.policy,
        policy_digest=stage.policy_digest,
        hotfix=hotfix,
    )


def _refusals(asked: Promotion, now: datetime) -> list[Reason]:
    """Why it can't be requested; the evidence is looked at only when nothing else refuses it."""
    found = request_refusals(asked.checkpoint, asked.stage)
    decided = None if found else decided_already(asked, now)
    return [*found, *([decided] if decided else ())]


def _save(actor: Actor, asked: Sequence[Promotion], stage: Stage, now: datetime) -> None:
    together = None
    if len(asked) > 1:
        together = PromotionSet.objects.create(stage=stage, requested_at=now)
    for promotion in asked:
        promotion.together = together
        promotion.save(force_insert=True)
        after: dict[str, Any] = {**snapshot(promotion), "hotfix": promotion.hotfix}
        if together is not None:
            after["together_with"] = [p.checkpoint.name for p in asked if p is not promotion]
        audit.record(
            actor=actor,
            action="promotion.requested",
            subject=promotion,
            reason=promotion.reason,
            after=after,
        )


def request_refusals(checkpoint: Checkpoint, stage: Stage) -> list[Reason]:
    """Every reason why this promotion can't even be requested."""
    found: list[Reason] = []
    family = stage.pipeline.family
    if checkpoint.family_id != family.pk:
        sentence = (
            f"{checkpoint} is of family {checkpoint.family}; {stage} takes family {family} only."
        )
        found.append(Reason(code="wrong_family", sentence=sentence))
    if stage.retired_at is not None:
        sentence = f"{stage} was retired on {stage.retired_at:%Y-%m-%d}: choose another stage."
        found.append(Reason(code="stage_retired", sentence=sentence))
    (blocks,) = blocks_on([Move(checkpoint=checkpoint, stage=stage)], clock.now())
    # A ramp and a freeze end by themselves: who asks meanwhile waits, or is let through.
    lasting = [block for block in blocks if block.block not in (Block.RAMP, Block.FREEZE)]
    found += [as_refusal_reason(blocked(block)) for block in lasting]
    if Release.objects.filter(stage=stage, checkpoint=checkpoint, ended_at=None).exists():
        found.append(Reason(code="already_live", sentence=f"{checkpoint} is live in {stage}."))
    if Promotion.objects.filter(checkpoint=checkpoint, stage=stage, state__in=OPEN).exists():
        found.append(_open_already(checkpoint, stage))
    return found


def _open_already(checkpoint: Checkpoint, stage: Stage) -> Reason:
    sentence = f"{checkpoint} already has an open promotion to {stage}: decide or withdraw it."
    return Reason(code="promotion_open", sentence=sentence)


def withdraw_promotion(*, actor: Actor, promotion: Promotion, reason: str) -> Promotion:
    """Ended by its requester or a release manager; InvalidMove when it has ended."""
    reason = must_have_text(reason, "The reason of a withdrawal")
    is_requester = actor.person_id is not None and actor.person_id == promotion.requested_by_id
    if not is_requester:
        actor.must("withdraw another's promotion", Role.RELEASE_MANAGER)
    with transaction.atomic():
        row = locked(promotion.pk)
        must_be_open(row)
        before = snapshot(row)
        move(row, PromotionState.WITHDRAWN, clock.now(), reason)
        audit.record(
            actor=actor,
            action="promotion.withdrawn",
            subject=row,
            reason=reason,
            before=before,
            after=snapshot(row),
        )
        end_the_rest(actor, row, clock.now())
    return row
