"""The demo's pipeline: the closed alpha opens with the incumbent, then the candidate asks in."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from infra.demo.cast import actor
from infra.demo.conversations import closed_cohort
from infra.demo.weights import CANDIDATE, INCUMBENT
from infra.errors import InvalidMove
from releases.models import Pipeline, Promotion, Release
from releases.selectors.checkpoints import checkpoint_named
from releases.selectors.pipelines import stage_named
from releases.selectors.promotions import decision_of, promotion_with_id
from releases.services.pipelines import apply_pipelines
from releases.services.promotions import answer_gate, request_promotion, vote
from releases.states import Outcome, PromotionState, ReleaseState, Vote

Say = Callable[[str], None]

PATIENCE_S = 120
_FOLDER = Path(__file__).parent / "pipelines"
_DECIDED = frozenset({PromotionState.PROMOTED, PromotionState.REJECTED, PromotionState.WITHDRAWN})


def open_alpha() -> str:
    """The first version of the pipeline, and the incumbent all the way into the closed alpha."""
    if Pipeline.objects.filter(name="chat").exists():
        return _opened()
    closed_cohort()
    _apply("first.yaml")
    return _opened()


def _opened() -> str:
    if not Release.objects.filter(checkpoint__name=INCUMBENT, stage__name="closed-alpha").exists():
        _enter(INCUMBENT, "internal", "First look inside the team.")
        promotion = _ask(INCUMBENT, "closed-alpha", "The closed alpha opens with this checkpoint.")
        if not promotion.answers.filter(yes=True).exists():
            answer_gate(
                actor=actor("second_release_manager"),
                promotion=promotion,
                gate_id="first-checkpoint",
                yes=True,
                comment="Answered by the demo: nothing is live that it could be worse than.",
            )
        _until(promotion, PromotionState.WAITING)
        vote(
            actor=actor("second_release_manager"),
            promotion=promotion_with_id(promotion.pk),
            choice=Vote.APPROVE,
            comment="Approved by the demo: the alpha needs a checkpoint to begin with.",
        )
        _until(promotion, PromotionState.PROMOTED)
    return f"{INCUMBENT} is live in chat/closed-alpha"


def request(say: Say) -> str:
    """The pipeline as it stays, and the candidate at the gates of the closed alpha.

    The demo signs off in the reviewer's name and says so, so that only the decision is left to
    whoever opens the console. Where a gate does not pass, that is what the console shows.
    """
    _apply("chat.yaml")
    _enter(CANDIDATE, "internal", "Another system prompt and sampling, same weights.")
    promotion = _ask(
        CANDIDATE, "closed-alpha", "The demo asks: same weights, another system prompt."
    )
    if not promotion.answers.exists():
        answer_gate(
            actor=actor("behaviour_reviewer"),
            promotion=promotion,
            gate_id="feels-right",
            yes=True,
            comment="Signed off by the demo: nobody has tried this checkpoint yet.",
        )
    _settled(promotion)
    row = promotion_with_id(promotion.pk)
    for gate in decision_of(row).gates:
        say(f"     {gate.outcome.value:12} {gate.gate_id}: {gate.sentence}")
    return f"{row} is {row.state}"


def _apply(name: str) -> None:
    text = (_FOLDER / name).read_text(encoding="utf-8")
    apply_pipelines(actor=actor("release_manager"), files={name: text})


def _enter(checkpoint: str, stage: str, reason: str) -> None:
    """Into a stage that asks nobody; the scheduler executes."""
    live = Release.objects.filter(
        checkpoint__name=checkpoint, stage__name=stage, state=ReleaseState.LIVE.value
    )
    if not live.exists():
        _until(_ask(checkpoint, stage, reason), PromotionState.PROMOTED)


def _ask(checkpoint: str, stage: str, reason: str) -> Promotion:
    """The newest promotion of the checkpoint there, requested when there is none."""
    target = stage_named(stage, "chat")
    known = Promotion.objects.filter(checkpoint__name=checkpoint, stage=target)
    return known.first() or request_promotion(
        actor=actor("engineer"),
        checkpoint=checkpoint_named(checkpoint),
        stage=target,
        reason=reason,
    )


def _until(promotion: Promotion, state: PromotionState) -> None:
    """Wait for the scheduler; InvalidMove when the promotion ends elsewhere or takes too long."""
    deadline = time.monotonic() + PATIENCE_S
    while (now := PromotionState(promotion_with_id(promotion.pk).state)) is not state:
        if now in _DECIDED or time.monotonic() > deadline:
            raise InvalidMove(
                "demo_stuck", f"{promotion} is {now.value}, and {state.value} was expected."
            )
        time.sleep(0.5)


def _settled(promotion: Promotion) -> None:
    """Wait until the gates wait for people, or until one of them does not admit for good."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        row = promotion_with_id(promotion.pk)
        gates = [gate for gate in decision_of(row).gates if not gate.shadow]
        failed = any(gate.outcome in {Outcome.FAIL, Outcome.ERROR} for gate in gates)
        if failed or PromotionState(row.state) is not PromotionState.EVALUATING:
            return
        time.sleep(0.5)
