"""Rejecting a checkpoint: out of every stage at once, and back by two persons alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest

from infra.errors import DomainError, InvalidMove, NotPermitted, PromotionBlocked
from infra.models import AuditEntry
from infra.people import actor_of_login
from infra.roles import Role
from releases.models import DecisionRecord, Rejection, Release, Waiver
from releases.selectors.promotions import promotion_with_id
from releases.services import line, promotions, rejections
from releases.services.releases import roll_back
from releases.states import PromotionState
from tests import builders
from tests.builders import Cast
from tests.releases import story
from tests.releases.test_line import other_login

pytestmark = pytest.mark.django_db
WHY = "It tells partners what they want to hear."


@pytest.fixture
def cast() -> Cast:
    return builders.cast()


def test_a_rejected_checkpoint_leaves_every_stage_and_ends_its_promotions(cast: Cast) -> None:
    made = builders.checkpoint("chat-nano-2")
    alpha, public = story.stage(story.MANUAL), story.stage(story.MANUAL, name="production")
    wide = story.stage(story.MANUAL, name="public")
    for to in (alpha, public):
        story.promoted(cast, made, to)
    waiting = story.requested(cast.engineer, made, wide)
    line.stop_the_line(actor=cast.release_manager, reason="odd answers")
    rejections.reject_checkpoint(actor=cast.release_manager, checkpoint=made, reason=WHY)
    assert not Release.objects.filter(ended_at__isnull=True).exists()
    ended = promotion_with_id(waiting.pk)
    assert (ended.state, WHY in ended.decision_reason) == (PromotionState.REJECTED, True)
    record = DecisionRecord.objects.get(promotion=waiting).document
    assert "rejected_checkpoint" in [reason["code"] for reason in record["reasons"]]
    told = AuditEntry.objects.get(action="checkpoint.rejected")
    assert told.after["demoted_from"] == "chat/closed-alpha, chat/production"


def test_nobody_and_nothing_promotes_a_rejected_checkpoint(cast: Cast) -> None:
    made, to = builders.checkpoint("chat-nano-2"), story.stage(story.MANUAL)
    rejections.reject_checkpoint(actor=cast.release_manager, checkpoint=made, reason=WHY)
    with pytest.raises(PromotionBlocked) as refusal:
        story.requested(cast.release_manager, made, to)
    assert [reason.code for reason in refusal.value.reasons] == ["rejected_checkpoint"]
    with pytest.raises(InvalidMove):
        rejections.reject_checkpoint(actor=cast.release_manager, checkpoint=made, reason=WHY)


def test_a_rollback_passes_over_a_rejected_checkpoint(cast: Cast) -> None:
    to = story.stage(story.MANUAL)
    first, second, third = (builders.checkpoint(f"chat-nano-{n}") for n in (2, 3, 4))
    for made in (first, second, third):
        story.promoted(cast, made, to)
    rejections.reject_checkpoint(actor=cast.release_manager, checkpoint=second, reason=WHY)
    back = roll_back(actor=cast.release_manager, stage=to, size="nano", reason="odd")
    assert back.checkpoint == first


def test_waivers_end_with_a_rejection(cast: Cast) -> None:
    made, to = builders.checkpoint("chat-nano-2"), story.stage(story.MANUAL)
    asked = story.requested(cast.engineer, made, to)
    waiver = promotions.waive_gate(
        actor=cast.release_manager,
        promotion=asked,
        gate_id="manual-1",
        reason="The engineers answered this in the room.",
        lasts=timedelta(days=7),
    )
    rejections.reject_checkpoint(actor=cast.release_manager, checkpoint=made, reason=WHY)
    with pytest.raises(InvalidMove) as refusal:
        promotions.confirm_waiver(actor=cast.second_release_manager, waiver=waiver)
    assert refusal.value.code == "rejected_checkpoint"
    assert Waiver.objects.get().confirmed_at is None


def test_two_persons_take_a_rejection_back_neither_of_whom_owns_it(cast: Cast) -> None:
    third = builders.login("third_manager", Role.RELEASE_MANAGER)
    owner = actor_of_login(third)
    made = builders.checkpoint("chat-nano-2", owner=third.person)
    first, second = cast.release_manager, cast.second_release_manager
    rejections.reject_checkpoint(actor=first, checkpoint=made, reason=WHY)
    refused = [
        refusal_of(partial(rejections.ask_to_unreject, actor=owner, checkpoint=made, reason=WHY)),
        refusal_of(partial(rejections.confirm_unreject, actor=second, checkpoint=made)),
    ]
    rejections.ask_to_unreject(actor=first, checkpoint=made, reason="Another suite says no.")
    for actor in (first, other_login(first), owner, cast.engineer):
        confirm = partial(rejections.confirm_unreject, actor=actor, checkpoint=made)
        refused.append(refusal_of(confirm))
    assert refused == [
        "second_person_required",
        "nobody_asked",
        "second_person_required",
        "second_person_required",
        "second_person_required",
        "not_permitted",
    ]
    rejections.confirm_unreject(actor=second, checkpoint=made)
    assert Rejection.objects.get().lifted_by_id == second.person_id
    story.requested(cast.engineer, made, story.stage(story.MANUAL))


def test_only_release_managers_reject(cast: Cast) -> None:
    made = builders.checkpoint("chat-nano-2")
    for actor in (cast.engineer, cast.behaviour_reviewer, cast.partner_manager, cast.auditor):
        with pytest.raises(NotPermitted):
            rejections.reject_checkpoint(actor=actor, checkpoint=made, reason=WHY)
    assert not Rejection.objects.exists()


def refusal_of(call: Callable[[], object]) -> str:
    with pytest.raises(DomainError) as refusal:
        call()
    return refusal.value.code
