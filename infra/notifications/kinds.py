"""What people are told of, how each may choose to hear it, and the life of one e-mail. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from uuid import UUID


class Kind(StrEnum):
    """What a notification is about; people choose by it."""

    DECISION = "decision"
    """Somebody is asked: an approval, an answer, a second signature."""
    HALT = "halt"
    """Serving was stopped or led back by a person, or the line was."""
    INCIDENT = "incident"
    """Slipway itself stopped something: a guardrail, another identity, a hold of its own."""
    EXPIRY = "expiry"
    """Something ends soon, or is frozen: a suite, key, grant, waiver or freeze."""
    BRIEF = "brief"
    """The morning Brief itself."""


class Way(StrEnum):
    """How a person hears of a kind; every notification also stands in the console."""

    AT_ONCE = "at_once"
    IN_BRIEF = "in_brief"
    """Listed in the next morning's Brief."""
    NEVER = "never"


class MailState(StrEnum):
    """One person's copy of a notification, or one Brief."""

    SILENT = "silent"
    """Told in the console alone: the person wants no e-mail of it, or none can be sent here."""
    GATHERED = "gathered"
    """Waits for the next Brief."""
    PENDING = "pending"
    """Due now or at its next attempt."""
    SENT = "sent"
    FAILED = "failed"
    """Every attempt failed; the person may have it sent again."""


MAIL_TRANSITIONS: dict[MailState, frozenset[MailState]] = {
    MailState.SILENT: frozenset(),
    MailState.GATHERED: frozenset({MailState.SENT}),
    MailState.PENDING: frozenset({MailState.SENT, MailState.FAILED}),
    MailState.FAILED: frozenset({MailState.PENDING}),
    MailState.SENT: frozenset(),
}

DEFAULT_WAYS: dict[Kind, Way] = {
    Kind.DECISION: Way.AT_ONCE,
    Kind.HALT: Way.AT_ONCE,
    Kind.INCIDENT: Way.AT_ONCE,
    Kind.EXPIRY: Way.IN_BRIEF,
    Kind.BRIEF: Way.IN_BRIEF,
}

WAYS: dict[Kind, tuple[Way, ...]] = {
    **dict.fromkeys(Kind, tuple(Way)),
    Kind.BRIEF: (Way.IN_BRIEF, Way.NEVER),
}
"""What may be chosen for each kind; the Brief comes in the morning or not at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One thing to tell, once: of two with the same `key` the second is not told."""

    kind: Kind
    key: str
    event: str
    """The webhook's type, such as `release.halted`; "" where one was sent already."""
    title: str
    text: str
    link: str
    """Path of the console's page, from the root."""
    subject: str = ""
    """Id of what it tells of."""
    ordered_by: str = ""
    """Id of the checkpoint whose webhooks arrive in order; "" for any order."""
    persons: frozenset[UUID] = frozenset()
    data: Mapping[str, Any] = field(default_factory=dict)
    """What the webhook carries besides title, text and link."""
