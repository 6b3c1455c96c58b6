"""Opens a promotion, and takes it back."""

from __future__ import annotations

from django.db import IntegrityError, transaction

from infra import audit, clock
from infra.actors import Actor
from infra.errors import PromotionBlocked, Reason
from infra.roles import Role, Scope
from releases.gates.terms import expiry
from releases.models import Checkpoint, Promotion, Release, Stage
from releases.promotions import blocked
from releases.selectors.blocks import Move, blocks_on
from releases.selectors.promotions import OPEN, as_refusal_reason, promotion_with_id
from releases.services.promotions.evaluate import evaluate_promotion
from releases.services.promotions.moves import (
    first_sentence,
    locked,
    move,
    must_be_open,
    must_have_text,
    snapshot,
)
from releases.states import Block, PromotionState


def request_promotion(
    *, actor: Actor, checkpoint: Checkpoint, stage: Stage, reason: str
) -> Promotion:
    """An open promotion, evaluated once; PromotionBlocked with every reason why it can't be."""
    actor.must("request promotions", Role.ENGINEER, Role.RELEASE_MANAGER, scope=Scope.PROMOTE)
    reason = must_have_text(reason, "The reason of a promotion")
    refusals = request_refusals(checkpoint, stage)
    if refusals:
        raise PromotionBlocked("promotion_blocked", first_sentence(refusals), refusals)
    now = clock.now()
    promotion = Promotion(
        checkpoint=checkpoint,
        stage=stage,
        reason=reason,
        requested_by_id=actor.person_id,
        requester_name=actor.name,
        requested_at=now,
        expires_at=now + expiry(stage.policy),
        policy=stage.policy,
        policy_digest=stage.policy_digest,
    )
    try:
        with transaction.atomic():
            promotion.save(force_insert=True)
            audit.record(
                actor=actor,
                action="promotion.requested",
                subject=promotion,
                reason=reason,
                after=snapshot(promotion),
            )
    except IntegrityError as error:
        raised = _open_already(checkpoint, stage)
        raise PromotionBlocked("promotion_blocked", raised.sentence, [raised]) from error
    return evaluate_promotion(actor=actor, promotion=promotion_with_id(promotion.pk))


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
    # A ramp ends by itself: who asks meanwhile is next.
    lasting = [block for block in blocks if block.block is not Block.RAMP]
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
    return row
