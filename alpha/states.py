"""Words and lifecycles of a partner's access and feedback. Pure."""

from __future__ import annotations

from enum import StrEnum


class UsageState(StrEnum):
    """How one admitted request ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CLIENT_GONE = "client_gone"
    ABORTED = "aborted"


class FeedbackState(StrEnum):
    """Where a piece of feedback stands; UNBOUND until its usage event lands."""

    UNBOUND = "unbound"
    NEW = "new"
    IN_SUITE = "in_suite"
    DISMISSED = "dismissed"


class FeedbackSource(StrEnum):
    """How feedback came in."""

    API = "api"
    CONSOLE = "console"


class Thumb(StrEnum):
    """The boolean shape of feedback, spelled out."""

    UP = "up"
    DOWN = "down"


FEEDBACK_TRANSITIONS: dict[FeedbackState, frozenset[FeedbackState]] = {
    FeedbackState.UNBOUND: frozenset({FeedbackState.NEW, FeedbackState.DISMISSED}),
    FeedbackState.NEW: frozenset({FeedbackState.IN_SUITE, FeedbackState.DISMISSED}),
    FeedbackState.IN_SUITE: frozenset(),
    FeedbackState.DISMISSED: frozenset({FeedbackState.NEW}),
}
