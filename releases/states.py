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

DEPLOYMENT_TRANSITIONS: dict[DeploymentState, frozenset[DeploymentState]] = {
    DeploymentState.ACTIVE: frozenset({DeploymentState.DISABLED}),
    DeploymentState.DISABLED: frozenset({DeploymentState.ACTIVE}),
}
