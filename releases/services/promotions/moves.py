"""What every service here does with a promotion's row: lock it, move it, say why not."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from infra.errors import InvalidInput, InvalidMove, Reason
from infra.lifecycles import check_move
from releases.models import Promotion
from releases.selectors.promotions import promotions
from releases.states import OPEN_PROMOTIONS, PROMOTION_TRANSITIONS, PromotionState


def locked(promotion_id: UUID) -> Promotion:
    """The promotion's row, locked until the transaction ends, with what it points to.

    One of a set is locked with the whole set, in one order: they move together.
    """
    together = Promotion.objects.values_list("together", flat=True).get(pk=promotion_id)
    if together is not None:
        members = Promotion.objects.filter(together=together).order_by("pk")
        list(members.select_for_update(no_key=True))
    rows = promotions().select_for_update(of=("self",), no_key=True)
    return rows.get(pk=promotion_id)


def must_be_open(promotion: Promotion) -> None:
    """InvalidMove for a promotion that has ended."""
    if PromotionState(promotion.state) not in OPEN_PROMOTIONS:
        sentence = f"{promotion} has ended ({promotion.state}): request another one."
        reason = Reason(code="promotion_ended", sentence=sentence, observed=promotion.state)
        raise InvalidMove("promotion_ended", sentence, [reason])


def must_have_text(text: str, what: str, *, at_least: int = 1) -> str:
    """The text without the blanks around it; InvalidInput when it is too short."""
    found = text.strip()
    if len(found) >= at_least:
        return found
    sentence = f"{what} needs at least {at_least} characters; this has {len(found)}."
    reason = Reason(code="text_too_short", sentence=sentence, required=at_least)
    raise InvalidInput("text_too_short", sentence, [reason])


def move(promotion: Promotion, new: PromotionState, now: datetime, reason: str = "") -> None:
    """Change the state of a locked row; a final state keeps when and why."""
    old = PromotionState(promotion.state)
    if old is new:
        return
    check_move(PROMOTION_TRANSITIONS, old, new, str(promotion))
    promotion.state = new.value
    changed = ["state"]
    if new not in OPEN_PROMOTIONS:
        promotion.decided_at, promotion.decision_reason = now, reason
        changed += ["decided_at", "decision_reason"]
    promotion.save(update_fields=changed)


def snapshot(promotion: Promotion) -> dict[str, str]:
    """What an audit entry says about it."""
    return {
        "state": promotion.state,
        "checkpoint": promotion.checkpoint.name,
        "stage": str(promotion.stage),
    }


def first_sentence(reasons: Iterable[Reason]) -> str:
    """The sentence that leads a refusal."""
    return next(iter(reason.sentence for reason in reasons), "It can't be done now.")
