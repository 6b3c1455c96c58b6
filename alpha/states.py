"""Words and lifecycles of a partner's access and feedback. Pure."""

from __future__ import annotations

from enum import StrEnum


class UsageState(StrEnum):
    """How one admitted request ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CLIENT_GONE = "client_gone"
    ABORTED = "aborted"
    STOPPED = "stopped"
    """Ended by the gateway: the release was halted, or the caller lost its access meanwhile."""


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


class FindingState(StrEnum):
    """Where a finding stands; only a person moves it."""

    OPEN = "open"
    """Reported; nobody has confirmed that it is a weakness."""
    CONFIRMED = "confirmed"
    CLOSED = "closed"
    """Said to be gone; its reporter has not confirmed that."""
    RECONFIRMED = "reconfirmed"


class PreferenceState(StrEnum):
    """Where one blind side by side stands."""

    ASKED = "asked"
    """The two answers are being made."""
    READY = "ready"
    """Both answers were shown; the vote is open."""
    VOTED = "voted"
    REVEALED = "revealed"
    """A person said which was which: no vote is taken any more."""
    VOID = "void"
    """An answer failed, or nobody voted in time."""


class Choice(StrEnum):
    """A blind vote: by the place where an answer was shown, never by what gave it."""

    A = "a"
    B = "b"
    TIE = "tie"
    BOTH_BAD = "both_bad"


class NoticeKind(StrEnum):
    """What a notice is about."""

    CHANGE = "change"
    """Something that partners should know of a codename."""
    RECALL = "recall"
    """What they were served is taken back."""


class Counted(StrEnum):
    """What a batch of live traffic counts once."""

    UNIT = "unit"
    REQUEST = "request"


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

FINDING_TRANSITIONS: dict[FindingState, frozenset[FindingState]] = {
    FindingState.OPEN: frozenset({FindingState.CONFIRMED, FindingState.CLOSED}),
    FindingState.CONFIRMED: frozenset({FindingState.CLOSED}),
    # It came back, or never was gone.
    FindingState.CLOSED: frozenset({FindingState.RECONFIRMED, FindingState.CONFIRMED}),
    FindingState.RECONFIRMED: frozenset({FindingState.CONFIRMED}),
}

PREFERENCE_TRANSITIONS: dict[PreferenceState, frozenset[PreferenceState]] = {
    PreferenceState.ASKED: frozenset({PreferenceState.READY, PreferenceState.VOID}),
    PreferenceState.READY: frozenset(
        {PreferenceState.VOTED, PreferenceState.REVEALED, PreferenceState.VOID}
    ),
    PreferenceState.VOTED: frozenset({PreferenceState.REVEALED}),
    PreferenceState.REVEALED: frozenset(),
    PreferenceState.VOID: frozenset(),
}
