"""Words and lifecycles of a checkpoint's way to a release. Pure."""

from __future__ import annotations

from enum import StrEnum


class CheckpointKind(StrEnum):
    """How a checkpoint was made from its parent."""

    PRETRAIN = "pretrain"
    SFT = "sft"
    DPO = "dpo"
    RFT = "rft"
    PROMPT = "prompt"
    QUANTIZE = "quantize"
    MERGE = "merge"


class DeploymentState(StrEnum):
    """Whether traffic may go to an upstream."""

    ACTIVE = "active"
    DISABLED = "disabled"


class Identity(StrEnum):
    """Whether an upstream still answers as it did when its deployment was added."""

    NOT_ASKED = "not_asked"
    CONFIRMED = "confirmed"
    CHANGED = "changed"
    """It answers alike every time, and otherwise than recorded: other weights, perhaps."""
    UNVERIFIABLE = "unverifiable"
    """It does not answer alike, or nothing was recorded: nobody can tell."""
    UNREACHABLE = "unreachable"


class Outcome(StrEnum):
    """What a gate says; only PASS and WAIVED admit."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    ERROR = "error"
    STALE = "stale"
    WAIVED = "waived"


ADMITTING = frozenset({Outcome.PASS, Outcome.WAIVED})


class PromotionState(StrEnum):
    """One attempt to move one checkpoint into one stage."""

    EVALUATING = "evaluating"
    WAITING = "waiting"
    APPROVED = "approved"
    PROMOTED = "promoted"
    REJECTED = "rejected"
    SUPERSEDED = "superseded"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


class ReleaseState(StrEnum):
    """A checkpoint live in a stage, from–to."""

    LIVE = "live"
    HALTED = "halted"
    ENDED = "ended"


class Arm(StrEnum):
    """Which side of a live comparison a release serves."""

    INCUMBENT = "incumbent"
    CANDIDATE = "candidate"


class RampState(StrEnum):
    """Where a candidate's growing share stands."""

    RAMPING = "ramping"
    HELD_BACK = "held_back"
    ENDED = "ended"
    STOPPED = "stopped"


class Watch(StrEnum):
    """What a guardrail has seen so far; harm is sticky."""

    WATCHING = "watching"
    SAFE = "safe"
    HARM = "harm"
    INVALID = "invalid"


class ForecastKind(StrEnum):
    """What a promotion predicts of the stage that it leads to; each is a share of 1."""

    FAILURE_MODE = "failure_mode"
    """Conversations in which one failure mode shows, from replayed conversations."""
    ERROR_RATE = "error_rate"
    """Units with a failed call, from live traffic of the stages before."""
    FEEDBACK_RATE = "feedback_rate"
    """Units with a thumbs-down, from live traffic of the stages before."""
    WIN_RATE = "win_rate"
    """The win score of blind votes, a tie counting half."""


FORECAST_BY_GATE: dict[str, ForecastKind] = {
    "replay": ForecastKind.FAILURE_MODE,
    "error_rate": ForecastKind.ERROR_RATE,
    "feedback_rate": ForecastKind.FEEDBACK_RATE,
    "preference": ForecastKind.WIN_RATE,
}
"""The kind of forecast that rests on the same evidence as a gate."""


class Block(StrEnum):
    """What stops a forward move whatever the gates say; none of them stops a way back."""

    HOLDS = "holds"
    REJECTION = "rejection"
    FREEZE = "freeze"
    LINE_STOP = "line_stop"
    FOLLOW_UP = "follow_up"
    SET = "set"
    RAMP = "ramp"


class OnPromote(StrEnum):
    """What happens to a stage's codename when another checkpoint takes it."""

    KEEP = "keep"
    NEW = "new"


class Vote(StrEnum):
    """A person's decision on a promotion."""

    APPROVE = "approve"
    REJECT = "reject"


OPEN_PROMOTIONS = frozenset(
    {PromotionState.EVALUATING, PromotionState.WAITING, PromotionState.APPROVED}
)
_CLOSED = frozenset(
    {
        PromotionState.REJECTED,
        PromotionState.SUPERSEDED,
        PromotionState.EXPIRED,
        PromotionState.WITHDRAWN,
    }
)

PROMOTION_TRANSITIONS: dict[PromotionState, frozenset[PromotionState]] = {
    # The gates are being evaluated, or one of them does not admit yet.
    PromotionState.EVALUATING: _CLOSED | {PromotionState.WAITING, PromotionState.APPROVED},
    # Every non-human gate has cleared; people are asked.
    PromotionState.WAITING: _CLOSED | {PromotionState.EVALUATING, PromotionState.APPROVED},
    # Everything admits; execution is next, and evaluates the live gates once more.
    PromotionState.APPROVED: _CLOSED
    | {PromotionState.EVALUATING, PromotionState.WAITING, PromotionState.PROMOTED},
    PromotionState.PROMOTED: frozenset(),
    PromotionState.REJECTED: frozenset(),
    PromotionState.SUPERSEDED: frozenset(),
    PromotionState.EXPIRED: frozenset(),
    PromotionState.WITHDRAWN: frozenset(),
}

RELEASE_TRANSITIONS: dict[ReleaseState, frozenset[ReleaseState]] = {
    ReleaseState.LIVE: frozenset({ReleaseState.HALTED, ReleaseState.ENDED}),
    ReleaseState.HALTED: frozenset({ReleaseState.LIVE, ReleaseState.ENDED}),
    ReleaseState.ENDED: frozenset(),
}

RAMP_TRANSITIONS: dict[RampState, frozenset[RampState]] = {
    RampState.RAMPING: frozenset({RampState.HELD_BACK, RampState.ENDED, RampState.STOPPED}),
    # Every step is done; an incumbent arm stays, so that live comparisons have a baseline.
    RampState.HELD_BACK: frozenset({RampState.ENDED, RampState.STOPPED}),
    # The candidate is the incumbent now.
    RampState.ENDED: frozenset(),
    # Halted, or taken out; only a resumed release ramps on.
    RampState.STOPPED: frozenset({RampState.RAMPING, RampState.HELD_BACK}),
}

DEPLOYMENT_TRANSITIONS: dict[DeploymentState, frozenset[DeploymentState]] = {
    DeploymentState.ACTIVE: frozenset({DeploymentState.DISABLED}),
    DeploymentState.DISABLED: frozenset({DeploymentState.ACTIVE}),
}
