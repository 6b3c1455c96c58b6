"""Sets of sizes: all of them move, or none does."""

from __future__ import annotations

from datetime import datetime

from infra import audit
from infra.actors import Actor
from releases.models import Promotion
from releases.selectors.promotions import OPEN
from releases.services.promotions.moves import locked, move, snapshot
from releases.states import OPEN_PROMOTIONS, PromotionState


def members(promotion: Promotion) -> list[Promotion]:
    """The promotions that move with this one, itself included, in the order of all locks."""
    if promotion.together_id is None:
        return [promotion]
    return list(Promotion.objects.filter(together=promotion.together_id).order_by("pk"))


def end_the_rest(actor: Actor, ended: Promotion, now: datetime) -> None:
    """What was asked for together with a promotion that has just ended unpromoted ends as well."""
    state = PromotionState(ended.state)
    if ended.together_id is None or state in OPEN_PROMOTIONS or state is PromotionState.PROMOTED:
        return
    rest = Promotion.objects.filter(together=ended.together_id, state__in=OPEN).order_by("pk")
    for promotion_id in list(rest.values_list("pk", flat=True)):
        row = locked(promotion_id)
        before = snapshot(row)
        reason = f"{ended.checkpoint} of the same set was {state}: {ended.decision_reason}"
        move(row, state, now, reason)
        audit.record(
            actor=actor,
            action="promotion.ended_with_its_set",
            subject=row,
            reason=reason,
            before=before,
            after=snapshot(row),
        )
