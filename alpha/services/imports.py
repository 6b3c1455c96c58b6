"""Feedback that came by mail or chat: looked at first, then written down once."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from alpha import selectors
from alpha.models import Feedback, Partner
from alpha.received_mail import NotReadable, Received, read_message
from alpha.services.feedback import enter_feedback
from alpha.states import FeedbackSource
from infra.actors import Actor
from infra.errors import InvalidInput
from infra.roles import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What would be written down, and what is known of it; nothing is kept yet."""

    received: Received
    partner: Partner | None
    """Whose contact has the sender's address, or alone has its domain."""
    is_bound: bool
    """The call that the text names is the partner's."""
    known: Feedback | None
    """The row, where this message was written down before."""


def preview_import(*, actor: Actor, content: bytes, partner: Partner | None = None) -> Preview:
    """Read a message without keeping anything of it; InvalidInput says why it can't be read."""
    actor.must(
        "enter feedback", Role.PARTNER_MANAGER, Role.BEHAVIOUR_REVIEWER, Role.RELEASE_MANAGER
    )
    try:
        received = read_message(content)
    except NotReadable as error:
        raise InvalidInput("message_unreadable", str(error)) from error
    whose = partner or _partner_of(received.sender)
    event = selectors.usage_event(received.request_id, whose.pk) if whose else None
    known = (
        Feedback.objects.filter(partner=whose, idempotency_key=received.idempotency_key).first()
        if whose
        else None
    )
    return Preview(received=received, partner=whose, is_bound=event is not None, known=known)


def import_feedback(
    *,
    actor: Actor,
    partner: Partner,
    received: Received,
    thumbs_up: bool | None = None,
    request_id: UUID | None = None,
) -> Feedback:
    """Write down a message that a person has looked at; the same one twice is written down once.

    `request_id` ties it to a call; NotFound when the partner made no such call.
    """
    return enter_feedback(
        actor=actor,
        partner=partner,
        comment=received.comment,
        request_id=request_id,
        thumbs_up=thumbs_up,
        source=FeedbackSource.EMAIL if received.is_mail else FeedbackSource.PASTE,
        idempotency_key=received.idempotency_key,
    )


def _partner_of(sender: str) -> Partner | None:
    if "@" not in sender:
        return None
    exact = list(Partner.objects.filter(contact_email__iexact=sender)[:2])
    domain = sender.rsplit("@", 1)[1]
    found = exact or list(Partner.objects.filter(contact_email__iendswith=f"@{domain}")[:2])
    return found[0] if len(found) == 1 else None
