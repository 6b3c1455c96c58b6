"""Feedback after it came in: bound to its call, entered for a partner, put aside."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from alpha import selectors
from alpha.models import Feedback, Partner, UsageEvent
from alpha.states import FEEDBACK_TRANSITIONS, FeedbackSource, FeedbackState
from infra import audit, clock
from infra.actors import Actor
from infra.errors import InvalidInput, NotFound
from infra.lifecycles import check_move
from infra.roles import Role

# How long the usage event of a call may take to land; later the remark stands by itself.
BINDING_WINDOW = timedelta(seconds=60)
TRIAGERS = (
    Role.PARTNER_MANAGER,
    Role.BEHAVIOUR_REVIEWER,
    Role.EVAL_OWNER,
    Role.RELEASE_MANAGER,
)
_COPIED = ("release_id", "checkpoint_id", "stage_id", "arm", "codename")


def bind(feedback: Feedback, event: UsageEvent) -> None:
    """Copy onto the feedback what served its call."""
    for name in _COPIED:
        setattr(feedback, name, getattr(event, name))
    feedback.state = FeedbackState.NEW.value
    feedback.bound_at = clock.now()
    feedback.save(update_fields=[*_COPIED, "state", "bound_at"])


def bind_waiting() -> int:
    """Bind what waited for its usage event; the number bound. Safe to run twice."""
    n_bound = 0
    with transaction.atomic():
        waiting = Feedback.objects.select_for_update(skip_locked=True).filter(
            state=FeedbackState.UNBOUND.value
        )
        for feedback in waiting[:500]:
            event = selectors.usage_event(feedback.request_id, feedback.partner_id)
            if event is not None:
                bind(feedback, event)
                n_bound += 1
            elif feedback.received_at < clock.now() - BINDING_WINDOW:
                feedback.state = FeedbackState.NEW.value
                feedback.save(update_fields=["state"])
    return n_bound


def enter_feedback(
    *,
    actor: Actor,
    partner: Partner,
    comment: str,
    request_id: UUID | None = None,
    thumbs_up: bool | None = None,
    rating: int | None = None,
    correction: str = "",
    source: FeedbackSource = FeedbackSource.CONSOLE,
    idempotency_key: str = "",
) -> Feedback:
    """Write down what a partner said elsewhere; of a call when its request id is known.

    With an idempotency key it is written down once: the row of the first time is returned.
    """
    actor.must(
        "enter feedback", Role.PARTNER_MANAGER, Role.BEHAVIOUR_REVIEWER, Role.RELEASE_MANAGER
    )
    person_id = actor.must_be_person("enter feedback")
    if not comment.strip():
        raise InvalidInput("comment_missing", "Write what the partner said.")
    event = selectors.usage_event(request_id, partner.pk) if request_id else None
    if request_id and event is None:
        raise NotFound("no_such_request", f"{partner} made no request {request_id}.")
    said = {
        "thumbs_up": thumbs_up,
        "rating": rating,
        "comment": comment,
        "correction": correction,
        "request_id": request_id,
    }
    with transaction.atomic():
        feedback, is_new = _once(
            partner,
            idempotency_key,
            source=source.value,
            state=FeedbackState.NEW.value,
            entered_by_id=person_id,
            received_at=clock.now(),
            **said,
        )
        if not is_new:
            return feedback
        if event is not None:
            bind(feedback, event)
        audit.record(
            actor=actor, action="feedback.entered", subject=feedback, after={"source": source.value}
        )
    return feedback


def _once(partner: Partner, idempotency_key: str, **fields: Any) -> tuple[Feedback, bool]:
    if not idempotency_key:
        return Feedback.objects.create(partner=partner, **fields), True
    return Feedback.objects.get_or_create(
        partner=partner, idempotency_key=idempotency_key, defaults=fields
    )


def dismiss(*, actor: Actor, feedback: Feedback, reason: str) -> None:
    """Put the remark aside with a reason; it stays readable."""
    _move(actor=actor, feedback=feedback, to=FeedbackState.DISMISSED, reason=reason)


def reopen(*, actor: Actor, feedback: Feedback, reason: str) -> None:
    """Take up again a remark that was dismissed, or taken for a duplicate."""
    _move(
        actor=actor,
        feedback=feedback,
        to=FeedbackState.NEW,
        reason=reason,
        fields={"duplicate_of": None},
    )


def mark_duplicate(*, actor: Actor, feedback: Feedback, of: Feedback, reason: str) -> None:
    """It says again what an earlier remark said; whatever becomes of that one, is its answer."""
    original = of.duplicate_of or of
    if original.pk == feedback.pk:
        raise InvalidInput("own_duplicate", "A remark is no duplicate of itself: name another.")
    _move(
        actor=actor,
        feedback=feedback,
        to=FeedbackState.DUPLICATE,
        reason=reason,
        fields={"duplicate_of": original},
    )


def mark_in_suite(*, actor: Actor, feedback: Feedback, reason: str) -> None:
    """Record that a case was made from it; called inside the transaction that makes the case."""
    _move(actor=actor, feedback=feedback, to=FeedbackState.IN_SUITE, reason=reason)


def _move(
    *,
    actor: Actor,
    feedback: Feedback,
    to: FeedbackState,
    reason: str,
    fields: dict[str, Any] | None = None,
) -> None:
    actor.must("triage feedback", *TRIAGERS)
    if not reason.strip():
        raise InvalidInput("reason_missing", "Say why: the reporter and the auditor will ask.")
    with transaction.atomic():
        row = Feedback.objects.select_for_update().get(pk=feedback.pk)
        before = FeedbackState(row.state)
        check_move(FEEDBACK_TRANSITIONS, before, to, "This feedback")
        changed = {**(fields or {}), "state": to.value}
        for name, value in changed.items():
            setattr(row, name, value)
            setattr(feedback, name, value)
        row.save(update_fields=list(changed))
        audit.record(
            actor=actor,
            action=f"feedback.{to.value}",
            subject=row,
            reason=reason,
            before={"state": before.value},
            after={"state": to.value, **_plain(fields or {})},
        )


def _plain(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: str(v.pk) for name, v in fields.items() if isinstance(v, Feedback)}
