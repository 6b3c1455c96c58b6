"""People's votes: distinct persons who may, on the evidence that they saw."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from infra import audit, clock
from infra.actors import Actor, system
from infra.errors import InvalidMove, NotPermitted, PromotionBlocked, Reason
from releases.gates.terms import approval_rule
from releases.models import Approval, Promotion
from releases.promotions import Decision
from releases.selectors.nearness import near_to
from releases.selectors.promotions import as_refusal_reason, decision_of, promotion_with_id
from releases.services.promotions.evaluate import evaluate_promotion, record
from releases.services.promotions.execute import execute_when_approved
from releases.services.promotions.moves import (
    first_sentence,
    locked,
    must_be_open,
    must_have_text,
)
from releases.services.promotions.sets import members
from releases.states import Vote


def vote(
    *,
    actor: Actor,
    promotion: Promotion,
    choice: Vote,
    comment: str = "",
    evidence_hash: str = "",
) -> Promotion:
    """Approve or reject; the approving vote that completes the quorum executes the promotion.

    One of a set is approved with the whole set at once.

    A rejection ends the request and needs a comment. `evidence_hash`, when given, is what the
    person looked at: a vote on evidence that has changed meanwhile is refused. NotPermitted for
    keys, the requester, the checkpoint's owner and editors, and whoever is in none of the groups
    that vote; PromotionBlocked while a gate that no person answers still stands in the way.
    """
    person_id = actor.must_be_person("approve or reject promotions")
    if choice is Vote.REJECT:
        comment = must_have_text(comment, "The comment of a rejection")
    _must_may_vote(actor, promotion)
    ballot = _ballot(actor, promotion, choice)
    if choice is Vote.APPROVE:
        for member in ballot:
            evaluate_promotion(actor=system("gates"), promotion=member)
    with transaction.atomic():
        for member in ballot:
            seen = evidence_hash if member.pk == promotion.pk else ""
            row = _cast(actor, person_id, locked(member.pk), choice, comment.strip(), seen)
    execute_when_approved(row)
    return promotion_with_id(promotion.pk)


def _ballot(actor: Actor, promotion: Promotion, choice: Vote) -> list[Promotion]:
    """What the vote is on: a set is approved at once; rejecting one member ends them all."""
    if choice is Vote.REJECT or promotion.together_id is None:
        return [promotion]
    given = Approval.objects.filter(
        promotion__together=promotion.together_id,
        person_id=actor.person_id,
        vote=choice.value,
        voided_at__isnull=True,
    )
    standing = set(given.values_list("promotion", flat=True))
    return [m for m in members(promotion) if m.pk not in standing] or [promotion]


def _cast(
    actor: Actor, person_id: UUID, row: Promotion, choice: Vote, comment: str, seen_hash: str
) -> Promotion:
    must_be_open(row)
    _must_may_vote(actor, row)
    decision = decision_of(row)
    _must_be_asked(row, decision, choice, seen_hash)
    _replace_vote(row, actor, choice)
    Approval.objects.create(
        promotion=row,
        person_id=person_id,
        vote=choice.value,
        comment=comment,
        groups=sorted(_groups(actor, row)),
        evidence_hash=decision.evidence_hash,
        voted_at=clock.now(),
    )
    _tell(actor, row, choice, comment, decision)
    return row


def _tell(actor: Actor, row: Promotion, choice: Vote, comment: str, before: Decision) -> None:
    action = "promotion.approved" if choice is Vote.APPROVE else "promotion.rejected"
    audit.record(
        actor=actor,
        action=action,
        subject=row,
        reason=comment,
        after={"vote": choice.value},
        evidence_hash=before.evidence_hash,
    )
    record(actor, row, decision_of(row), {}, "promotion.moved", clock.now(), comment)


def vote_refusals(actor: Actor, promotion: Promotion) -> list[Reason]:
    """Every reason why this person may not vote on this promotion."""
    found = [
        Reason(
            code=way.code,
            sentence=f"{actor.name} {way.why}: somebody else has to decide.",
        )
        for way in near_to(promotion).get(str(actor.person_id), ())
    ]
    if not _groups(actor, promotion):
        groups = ", ".join(sorted(approval_rule(promotion.policy).voters))
        sentence = f"{actor.name} is in none of the groups that decide here: {groups}."
        found.append(Reason(code="not_permitted", sentence=sentence, required=groups))
    return found


def _must_may_vote(actor: Actor, row: Promotion) -> None:
    refusals = vote_refusals(actor, row)
    if refusals:
        raise NotPermitted(refusals[0].code, first_sentence(refusals), refusals)


def _groups(actor: Actor, promotion: Promotion) -> frozenset[str]:
    held = {role.value for role in actor.roles}
    return frozenset(held & approval_rule(promotion.policy).voters)


def _must_be_asked(row: Promotion, decision: Decision, choice: Vote, seen_hash: str) -> None:
    if seen_hash and seen_hash != decision.evidence_hash:
        raise InvalidMove(
            "evidence_changed", "The evidence changed since you looked: read it again, then decide."
        )
    if choice is Vote.APPROVE and not decision.machine_clear:
        unmet = [as_refusal_reason(r) for r in decision.gates if not (r.admits or r.human)]
        message = f"{row} is not up for approval yet: {first_sentence(unmet)}"
        raise PromotionBlocked("gates_not_cleared", message, unmet)


def _replace_vote(row: Promotion, actor: Actor, choice: Vote) -> None:
    standing = Approval.objects.filter(
        promotion=row, person_id=actor.person_id, voided_at__isnull=True
    ).first()
    if standing is None:
        return
    if standing.vote == choice.value:
        sentence = f"{actor.name} has voted already: one person, one vote, however many logins."
        reason = Reason(code="voted_already", sentence=sentence)
        raise InvalidMove("voted_already", sentence, [reason])
    standing.voided_at, standing.void_reason = clock.now(), "Replaced by a newer vote."
    standing.save(update_fields=["voided_at", "void_reason"])
