"""Follow-ups of hotfixes: what was skipped is looked at within 72 hours, or the stage waits."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction

from infra import audit, clock
from infra.actors import Actor
from infra.errors import InvalidInput, InvalidMove, Reason
from infra.roles import Role
from releases.models import FollowUp, Promotion

DUE_IN = timedelta(hours=72)
MIN_NOTE = 20


def open_follow_up(*, actor: Actor, promotion: Promotion, now: datetime) -> FollowUp:
    """What a hotfix owes from the moment it is live; part of the promotion's transaction."""
    row = FollowUp.objects.create(promotion=promotion, due_at=now + DUE_IN)
    audit.record(
        actor=actor,
        action="promotion.follow_up_opened",
        subject=promotion,
        reason=promotion.reason,
        after={"due_at": row.due_at},
    )
    return row


def complete_follow_up(*, actor: Actor, follow_up: FollowUp, note: str) -> FollowUp:
    """A release manager tells what the skipped soak and exposure would have shown; late counts."""
    person_id = actor.must_be_person("complete a follow-up")
    actor.must("complete follow-ups", Role.RELEASE_MANAGER)
    note = note.strip()
    if len(note) < MIN_NOTE:
        sentence = f"A follow-up's note needs at least {MIN_NOTE} characters; this has {len(note)}."
        problem = Reason(code="text_too_short", sentence=sentence, required=MIN_NOTE)
        raise InvalidInput("text_too_short", sentence, [problem])
    with transaction.atomic():
        rows = FollowUp.objects.select_for_update(of=("self",), no_key=True)
        row = rows.select_related("promotion__checkpoint", "promotion__stage__pipeline").get(
            pk=follow_up.pk
        )
        if row.done_at is not None:
            sentence = f"The follow-up of {row.promotion} was done on {row.done_at:%Y-%m-%d}."
            refusal = Reason(code="follow_up_done", sentence=sentence)
            raise InvalidMove("follow_up_done", sentence, [refusal])
        row.done_at, row.done_by_id, row.note = clock.now(), person_id, note
        row.save(update_fields=["done_at", "done_by", "note"])
        audit.record(
            actor=actor,
            action="promotion.followed_up",
            subject=row.promotion,
            reason=note,
            before={"due_at": row.due_at},
            after={"done_at": row.done_at},
        )
    return row
