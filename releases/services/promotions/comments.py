"""What people say about a promotion: kept for good, and told by the audit log."""

from __future__ import annotations

from django.db import transaction

from infra import audit, clock
from infra.actors import Actor
from infra.roles import Role
from releases.models import Promotion, PromotionComment
from releases.services.promotions.moves import must_have_text

COMMENTED = "promotion.commented"


def comment_on_promotion(*, actor: Actor, promotion: Promotion, text: str) -> PromotionComment:
    """Keep a person's remark; it decides nothing, and voids nothing.

    An ended promotion takes remarks too: who looks back finds them with the decision.
    NotPermitted for keys and for people without a role; InvalidInput without text.
    """
    person_id = actor.must_be_person("comment on a promotion")
    actor.must("comment on promotions", *Role)
    said = must_have_text(text, "A comment")
    with transaction.atomic():
        made = PromotionComment.objects.create(
            promotion=promotion,
            person_id=person_id,
            text=said,
            state=promotion.state,
            commented_at=clock.now(),
        )
        audit.record(
            actor=actor,
            action=COMMENTED,
            subject=promotion,
            reason=said,
            after={"comment": str(made.pk)},
        )
    return made
