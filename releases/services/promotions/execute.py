"""Makes an approved promotion real: one transaction, after one more look at the evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from django.db import transaction

from infra import audit, clock
from infra.actors import Actor, system
from infra.errors import PromotionBlocked, Reason
from infra.roles import Role
from releases.models import Promotion, Release
from releases.selectors.promotions import (
    OPEN,
    as_refusal_reason,
    decision_of,
    open_for_the_same_place,
    promotion_with_id,
)
from releases.services.follow_ups import open_follow_up
from releases.services.forecast_sources import Predicted
from releases.services.forecasts import keep_forecasts, predictions_of
from releases.services.line import take_the_line
from releases.services.promotions.evaluate import (
    Gathered,
    gather,
    moved_meanwhile,
    record,
    settle,
)
from releases.services.promotions.moves import first_sentence, locked, move, snapshot
from releases.services.promotions.records import record_decision
from releases.services.promotions.sets import end_the_rest, members
from releases.services.releases import go_live
from releases.states import PromotionState

_ATTEMPTS = 3


def execute_when_approved(promotion: Promotion) -> Promotion:
    """The promotion, executed when everything admits; a refusal at the last look stays recorded."""
    if promotion.state == PromotionState.APPROVED:
        _executed(system("scheduler"), promotion)
    return promotion_with_id(promotion.pk)


def execute_promotion(*, actor: Actor, promotion: Promotion) -> Release:
    """The release it became; the same one when it was executed before.

    Evidence, rights of the approvers and holds are looked at again; PromotionBlocked with every
    reason when one of them no longer admits, and that is recorded.
    """
    actor.must("execute promotions", Role.RELEASE_MANAGER)
    release = _executed(actor, promotion)
    if release is not None:
        return release
    row = promotion_with_id(promotion.pk)
    unmet = [as_refusal_reason(reason) for reason in decision_of(row).unmet]
    if row.state not in OPEN:
        sentence = f"It has ended: {row.decision_reason}"
        unmet.insert(0, Reason(code="promotion_ended", sentence=sentence, observed=row.state))
    message = f"{row} can't be executed ({row.state}): {first_sentence(unmet)}"
    raise PromotionBlocked("promotion_blocked", message, unmet)


def _executed(actor: Actor, promotion: Promotion) -> Release | None:
    for _ in range(_ATTEMPTS):
        gathered = [gather(member, fresh=True) for member in members(promotion)]
        predicted = _predicted(promotion)
        with transaction.atomic():
            _lock_all(promotion)
            is_settled = all(_is_settled(actor, member) for member in gathered)
            rows = _settled_together(actor, gathered) if is_settled else []
            if rows and all(row.state == PromotionState.APPROVED for row in rows):
                if _gave_way(actor, rows):
                    return None
                released = {row.pk: _promote(actor, row, predicted[row.pk]) for row in rows}
                for row in rows:
                    _supersede(actor, row)
                return released[promotion.pk]
        if is_settled:
            return Release.objects.filter(promotion=promotion.pk).first()
    raise moved_meanwhile(promotion)


def _predicted(promotion: Promotion) -> Mapping[UUID, Sequence[Predicted]]:
    """What the evidence of each of them predicts for the stage."""
    now = clock.now()
    return {member.pk: predictions_of(member, now) for member in members(promotion)}


def _is_settled(actor: Actor, gathered: Gathered) -> bool:
    return settle(actor, locked(gathered.promotion_id), gathered) is not None


def _settled_together(actor: Actor, gathered: Sequence[Gathered]) -> list[Promotion]:
    """The rows once all are judged: each of a set was settled on what the others said before."""
    for member in gathered if len(gathered) > 1 else ():
        row = locked(member.promotion_id)
        if row.state in OPEN:
            record(actor, row, decision_of(row), {}, "promotion.moved", clock.now())
    return [locked(member.promotion_id) for member in gathered]


def _lock_all(promotion: Promotion) -> None:
    """Stage and line first, then every open promotion there, in one order: no two can deadlock."""
    take_the_line([promotion.stage_id])
    rivals = Promotion.objects.filter(stage=promotion.stage_id, state__in=OPEN).order_by("pk")
    list(rivals.select_for_update(no_key=True))


def _promote(actor: Actor, row: Promotion, predicted: Sequence[Predicted]) -> Release:
    now = clock.now()
    decision, before = decision_of(row), snapshot(row)
    move(row, PromotionState.PROMOTED, now, "Every gate, approval and hold admitted it.")
    release = go_live(actor=actor, promotion=row, now=now)
    if row.hotfix:
        open_follow_up(actor=actor, promotion=row, now=now)
    kept = record_decision(row, decision, now)
    forecasts = keep_forecasts(row, predicted, now)
    audit.record(
        actor=actor,
        action="promotion.promoted",
        subject=row,
        before=before,
        after={
            **snapshot(row),
            "release": str(release.pk),
            "decision": str(kept.pk),
            "decision_hash": kept.document_hash,
            "forecasts": len(forecasts),
        },
        evidence_hash=decision.evidence_hash,
    )
    return release


def _gave_way(actor: Actor, rows: Sequence[Promotion]) -> bool:
    """Whether one that was requested later is approved as well: nobody is shown the older first."""
    later = (_approved_later(row) for row in rows)
    newest = next((row for row in later if row is not None), None)
    if newest is None:
        return False
    for row in rows:
        reason = f"{newest.checkpoint} was requested later and is approved too."
        _end_superseded(actor, locked(row.pk), newest, reason)
    return True


def _approved_later(row: Promotion) -> Promotion | None:
    later = open_for_the_same_place(row).filter(requested_at__gt=row.requested_at)
    return later.filter(state=PromotionState.APPROVED).order_by("requested_at").last()


def _supersede(actor: Actor, newest: Promotion) -> None:
    """Older open requests for the same place end: their comparison was with another incumbent."""
    older = open_for_the_same_place(newest).filter(requested_at__lt=newest.requested_at)
    reason = f"{newest.checkpoint} was requested later and is live now."
    for promotion_id in list(older.values_list("pk", flat=True)):
        _end_superseded(actor, locked(promotion_id), newest, reason)


def _end_superseded(actor: Actor, row: Promotion, newest: Promotion, reason: str) -> None:
    """Nothing where it has ended already, as the rest of a set does with its first."""
    if row.state not in OPEN:
        return
    before = snapshot(row)
    row.superseded_by = newest
    row.save(update_fields=["superseded_by"])
    move(row, PromotionState.SUPERSEDED, clock.now(), reason)
    audit.record(
        actor=actor,
        action="promotion.superseded",
        subject=row,
        reason=reason,
        before=before,
        after=snapshot(row),
    )
    end_the_rest(actor, row, clock.now())
