"""What was said in a call, for those who triage feedback."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

from alpha.attachments import read_attachment
from alpha.models import Feedback, FeedbackAttachment
from alpha.sealing import Unreadable
from alpha.transcripts import Kept, read_transcript, read_transcripts
from infra.actors import Actor
from infra.errors import DomainError, NotFound
from infra.roles import Role

READERS = (
    Role.PARTNER_MANAGER,
    Role.BEHAVIOUR_REVIEWER,
    Role.EVAL_OWNER,
    Role.RELEASE_MANAGER,
)


def conversation_of(*, actor: Actor, feedback: Feedback) -> dict[str, Any] | None:
    """The call's `{"request", "reply"}`; None when no text is kept. NotPermitted for others.

    DomainError when the stored bytes are not what was sealed.
    """
    actor.must("read partners' conversations", *READERS)
    if feedback.request_id is None:
        return None
    try:
        return read_transcript(feedback.request_id)
    except NotFound:
        return None
    except Unreadable as error:
        message = f"The kept text of call {feedback.request_id} was changed and can't be read."
        raise DomainError("transcript_damaged", message) from error


def texts_of(*, actor: Actor, request_ids: Collection[UUID]) -> Kept:
    """As conversation_of for many calls at once. NotPermitted for others."""
    actor.must("read partners' conversations", *READERS)
    return read_transcripts(request_ids)


def attachment_of(*, actor: Actor, feedback: Feedback) -> tuple[FeedbackAttachment, bytes]:
    """The file that came with it; NotFound where none is kept. NotPermitted for others.

    DomainError when the stored bytes are not what was sealed.
    """
    actor.must("read partners' files", *READERS)
    try:
        return read_attachment(feedback.pk)
    except Unreadable as error:
        message = f"The file kept with feedback {feedback.pk} was changed and can't be read."
        raise DomainError("attachment_damaged", message) from error
