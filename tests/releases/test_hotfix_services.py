"""The hotfix path: soak and exposure are skipped, and what was skipped is owed within 72 hours."""

from __future__ import annotations

from datetime import timedelta

import pytest

from infra import clock
from infra.errors import InvalidInput, InvalidMove, NotPermitted, PromotionBlocked
from infra.models import AuditEntry
from releases.models import FollowUp, Promotion, Release, Stage
from releases.selectors.promotions import decision_of
from releases.services import promotions
from releases.services.follow_ups import complete_follow_up
from releases.services.releases import roll_back
from releases.states import Outcome, PromotionState
from tests import builders
from tests.builders import Cast
from tests.releases import story

pytestmark = pytest.mark.django_db
SOAK = {"id": "soak-1", "kind": "soak", "all": [{"stage": "internal", "soak": "7d"}]}
WHY = "Answers leak the system prompt to everybody."
NOTE = "Watched for two days: nothing unusual in the logs."


@pytest.fixture
def cast() -> Cast:
    return builders.cast()


def stages() -> Stage:
    story.stage(name="internal")
    return story.stage(SOAK, story.MANUAL)


def hotfix(cast: Cast, to: Stage, name: str = "chat-nano-2", reason: str = WHY) -> Promotion:
    promotion = promotions.request_promotion(
        actor=cast.release_manager,
        checkpoint=builders.checkpoint(name),
        stage=to,
        reason=reason,
        hotfix=True,
    )
    promotions.answer_gate(
        actor=cast.engineer, promotion=promotion, gate_id="manual-1", yes=True, comment="Good."
    )
    return story.approved(cast.second_release_manager, promotion)


def test_a_hotfix_skips_soak_alone_and_opens_a_follow_up(cast: Cast) -> None:
    to = stages()
    with clock.frozen_at(builders.NOW):
        plain = story.requested(cast.engineer, builders.checkpoint("chat-nano-1"), to)
        done = hotfix(cast, to)
    assert decision_of(plain).gates[0].outcome is not Outcome.WAIVED
    assert done.state == PromotionState.PROMOTED
    gates = {gate.gate_id: gate for gate in decision_of(done).gates}
    assert (gates["soak-1"].outcome, gates["soak-1"].code) == (Outcome.WAIVED, "hotfix")
    assert gates["manual-1"].outcome is Outcome.PASS
    owed = FollowUp.objects.get()
    assert (owed.promotion, owed.due_at) == (done, builders.NOW + timedelta(hours=72))


def test_only_release_managers_ask_for_a_hotfix_and_say_why(cast: Cast) -> None:
    to, made = stages(), builders.checkpoint("chat-nano-2")
    with pytest.raises(NotPermitted):
        promotions.request_promotion(
            actor=cast.engineer, checkpoint=made, stage=to, reason=WHY, hotfix=True
        )
    with pytest.raises(InvalidInput):
        promotions.request_promotion(
            actor=cast.release_manager, checkpoint=made, stage=to, reason="urgent", hotfix=True
        )
    assert not Promotion.objects.exists()


def test_a_missed_follow_up_blocks_the_next_promotion_until_it_is_done(cast: Cast) -> None:
    to = story.stage(story.MANUAL)
    with clock.frozen_at(builders.NOW):
        story.promoted(cast, builders.checkpoint("chat-nano-1"), to)
        hotfix(cast, to)
        waiting = story.requested(cast.engineer, builders.checkpoint("chat-nano-3"), to)
        assert decision_of(waiting).blocks == ()
    with clock.frozen_at(builders.NOW + timedelta(hours=72)):
        (block,) = decision_of(waiting).blocks
        assert (block.code, block.owner) == ("follow_up_missed", "Release Manager")
        with pytest.raises(PromotionBlocked):
            story.requested(cast.engineer, builders.checkpoint("chat-nano-4"), to)
        elsewhere = story.stage(story.MANUAL, name="production")
        story.requested(cast.engineer, builders.checkpoint("chat-nano-5"), elsewhere)
        assert roll_back(actor=cast.release_manager, stage=to, size="nano", reason="odd")
        complete_follow_up(actor=cast.release_manager, follow_up=FollowUp.objects.get(), note=NOTE)
        assert decision_of(waiting).blocks == ()


def test_a_follow_up_is_done_once_by_a_release_manager_who_says_what_was_seen(cast: Cast) -> None:
    hotfix(cast, stages())
    owed = FollowUp.objects.get()
    with pytest.raises(NotPermitted):
        complete_follow_up(actor=cast.engineer, follow_up=owed, note=NOTE)
    with pytest.raises(InvalidInput):
        complete_follow_up(actor=cast.release_manager, follow_up=owed, note="done")
    complete_follow_up(actor=cast.release_manager, follow_up=owed, note=NOTE)
    with pytest.raises(InvalidMove):
        complete_follow_up(actor=cast.release_manager, follow_up=owed, note=NOTE)
    told = AuditEntry.objects.get(action="promotion.followed_up")
    assert (told.reason, Release.objects.count()) == (NOTE, 1)
