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
    LINKED = "linked"
    """It speaks of a finding, which says how it goes on."""
    DUPLICATE = "duplicate"
    """It says again what another remark said."""
    IN_SUITE = "in_suite"
    DISMISSED = "dismissed"


class FeedbackSource(StrEnum):
    """How feedback came in."""

    API = "api"
    CONSOLE = "console"
    EMAIL = "email"
    PASTE = "paste"


class FindingState(StrEnum):
    """Where a finding stands; only a person moves it, or its reporter's answer."""

    OPEN = "open"
    """Reported; nobody has confirmed that it is a weakness."""
    INVESTIGATING = "investigating"
    """A person has confirmed it; what causes it is being looked for."""
    ISOLATED = "isolated"
    """A probe has shown which component of the request causes it."""
    FIXING = "fixing"
    FIXED = "fixed"
    """Said to be gone in another checkpoint; its reporter is asked."""
    NOT_REPRODUCED = "not_reproduced"
    """Looked for and not seen, with what was tried and the rate that could have been seen."""
    BY_DESIGN = "by_design"


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
    FIX = "fix"
    """What they reported is said to be fixed; they are asked whether it is gone."""


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
    FeedbackState.NEW: frozenset(
        {
            FeedbackState.LINKED,
            FeedbackState.DUPLICATE,
            FeedbackState.IN_SUITE,
            FeedbackState.DISMISSED,
        }
    ),
    FeedbackState.LINKED: frozenset({FeedbackState.IN_SUITE}),
    FeedbackState.DUPLICATE: frozenset({FeedbackState.NEW, FeedbackState.LINKED}),
    FeedbackState.IN_SUITE: frozenset(),
    FeedbackState.DISMISSED: frozenset({FeedbackState.NEW}),
}

FINDING_TRANSITIONS: dict[FindingState, frozenset[FindingState]] = {
    FindingState.OPEN: frozenset(
        {FindingState.INVESTIGATING, FindingState.NOT_REPRODUCED, FindingState.BY_DESIGN}
    ),
    FindingState.INVESTIGATING: frozenset(
        {FindingState.ISOLATED, FindingState.NOT_REPRODUCED, FindingState.BY_DESIGN}
    ),
    FindingState.ISOLATED: frozenset(
        {
            FindingState.FIXING,
            FindingState.FIXED,
            FindingState.BY_DESIGN,
            FindingState.INVESTIGATING,
        }
    ),
    FindingState.FIXING: frozenset({FindingState.FIXED, FindingState.INVESTIGATING}),
    # It came back, or never was gone.
    FindingState.FIXED: frozenset({FindingState.INVESTIGATING}),
    FindingState.NOT_REPRODUCED: frozenset({FindingState.INVESTIGATING}),
    FindingState.BY_DESIGN: frozenset({FindingState.INVESTIGATING}),
}
CLOSED_FINDINGS = frozenset(
    {FindingState.FIXED, FindingState.NOT_REPRODUCED, FindingState.BY_DESIGN}
)

PUBLIC_FINDING_STATES: dict[FindingState, str] = {
    FindingState.OPEN: "received",
    FindingState.INVESTIGATING: "investigating",
    FindingState.ISOLATED: "cause_found",
    FindingState.FIXING: "being_fixed",
    FindingState.FIXED: "fixed",
    FindingState.NOT_REPRODUCED: "not_reproduced",
    FindingState.BY_DESIGN: "works_as_designed",
}
"""What the reporter reads of a finding: nothing of who looks at it, how, or in which checkpoint."""

PREFERENCE_TRANSITIONS: dict[PreferenceState, frozenset[PreferenceState]] = {
    PreferenceState.ASKED: frozenset({PreferenceState.READY, PreferenceState.VOID}),
    PreferenceState.READY: frozenset(
        {PreferenceState.VOTED, PreferenceState.REVEALED, PreferenceState.VOID}
    ),
    PreferenceState.VOTED: frozenset({PreferenceState.REVEALED}),
    PreferenceState.REVEALED: frozenset(),
    PreferenceState.VOID: frozenset(),
}
