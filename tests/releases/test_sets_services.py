"""Sizes promoted as one: judged apart, approved at once, moved in one transaction or not at all."""

from __future__ import annotations

import pytest

from infra.errors import InvalidInput, InvalidMove, PromotionBlocked
from infra.models import AuditEntry
from releases.digests import sha256_of
from releases.models import Approval, Checkpoint, DecisionRecord, Promotion, Release, Stage
from releases.selectors.promotions import decision_of, promotion_with_id
from releases.services import holds, promotions
from releases.states import PromotionState, Vote
from tests import builders
from tests.builders import Cast
from tests.releases import story

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast() -> Cast:
    return builders.cast()


def sizes(*names: str) -> list[Checkpoint]:
    return [
        builders.checkpoint(f"chat-{name}-2", size=name, checkpoint_digest=sha256_of(name))
        for name in names
    ]


def requested(cast: Cast, to: Stage, *names: str) -> list[Promotion]:
    return promotions.request_set(
        actor=cast.release_manager,
        checkpoints=sizes(*(names or ("nano", "mini"))),
        stage=to,
        reason="better at tables, in both sizes",
    )


def answer(cast: Cast, promotion: Promotion) -> Promotion:
    return promotions.answer_gate(
        actor=cast.engineer, promotion=promotion, gate_id="manual-1", yes=True, comment="Good."
    )


def states(members: list[Promotion]) -> list[str]:
    return [promotion_with_id(member.pk).state for member in members]


def test_one_approval_of_a_set_moves_every_size_at_once(cast: Cast) -> None:
    members = requested(cast, story.stage(story.MANUAL))
    for member in members:
        answer(cast, member)
    done = story.approved(cast.second_release_manager, members[0])
    assert done.state == PromotionState.PROMOTED
    live = Release.objects.filter(ended_at__isnull=True)
    assert sorted(live.values_list("size", flat=True)) == ["mini", "nano"]
    assert Approval.objects.count() == DecisionRecord.objects.count() == 2


def test_a_member_waits_for_every_other_one_and_says_for_what(cast: Cast) -> None:
    nano, mini = requested(cast, story.stage(story.MANUAL))
    answer(cast, nano)
    story.approved(cast.second_release_manager, nano)
    blocks = decision_of(promotion_with_id(nano.pk)).blocks
    assert [(block.code, block.owner) for block in blocks] == [("set_not_ready", "engineer")]
    assert "chat-mini-2 of the same set is not ready" in blocks[0].sentence
    assert promotions.advance_promotions() == 0
    assert not Release.objects.exists()
    answer(cast, mini)
    # The answer changed what mini's approval was given on.
    assert states([nano, mini]) == [PromotionState.WAITING] * 2
    story.approved(cast.second_release_manager, nano)
    assert states([nano, mini]) == [PromotionState.PROMOTED] * 2


def test_a_hold_on_one_size_keeps_the_other_back(cast: Cast) -> None:
    nano, mini = requested(cast, story.stage(story.MANUAL))
    hold = holds.place_hold(
        actor=cast.behaviour_reviewer, checkpoint=mini.checkpoint, reason="too terse"
    )
    for member in (nano, mini):
        answer(cast, member)
    story.approved(cast.second_release_manager, nano)
    assert states([nano, mini]) == [PromotionState.WAITING] * 2
    assert "too terse" in decision_of(promotion_with_id(nano.pk)).blocks[0].sentence
    holds.lift_hold(actor=cast.behaviour_reviewer, hold=hold, reason="fine in context")
    assert promotions.advance_promotions() >= 1
    assert states([nano, mini]) == [PromotionState.PROMOTED] * 2


@pytest.mark.parametrize("how", ["rejected", "withdrawn"])
def test_what_ends_one_member_ends_them_all(cast: Cast, how: str) -> None:
    nano, mini = requested(cast, story.stage(story.MANUAL))
    if how == "rejected":
        promotions.vote(
            actor=cast.second_release_manager,
            promotion=mini,
            choice=Vote.REJECT,
            comment="mini forgets the schema",
        )
    else:
        promotions.withdraw_promotion(
            actor=cast.release_manager, promotion=mini, reason="mini forgets the schema"
        )
    assert states([nano, mini]) == [how, how]
    assert "mini forgets the schema" in promotion_with_id(nano.pk).decision_reason
    told = AuditEntry.objects.get(action="promotion.ended_with_its_set")
    assert told.object_id == str(nano.pk)


def test_a_set_that_a_newer_promotion_supersedes_ends_whole(cast: Cast) -> None:
    to = story.stage(story.MANUAL)
    members = requested(cast, to)
    newer = builders.checkpoint("chat-nano-3", checkpoint_digest=sha256_of("newer"))
    story.promoted(cast, newer, to)
    assert states(members) == [PromotionState.SUPERSEDED] * 2


def test_one_person_votes_once_on_a_set(cast: Cast) -> None:
    to = story.stage(story.MANUAL, approvals={"required": 2, "groups": ["release-managers"]})
    nano, mini = requested(cast, to)
    story.approved(cast.second_release_manager, nano)
    with pytest.raises(InvalidMove) as refusal:
        story.approved(cast.second_release_manager, mini)
    assert refusal.value.code == "voted_already"
    assert Approval.objects.filter(voided_at__isnull=True).count() == 2


def test_a_set_is_of_different_sizes_and_refused_with_every_reason(cast: Cast) -> None:
    to = story.stage(story.MANUAL)
    twins = [builders.checkpoint(f"chat-nano-{n}", checkpoint_digest=sha256_of(n)) for n in (4, 5)]
    for asked in (twins, twins[:1]):
        with pytest.raises(InvalidInput) as refusal:
            promotions.request_set(
                actor=cast.release_manager, checkpoints=asked, stage=to, reason="both"
            )
        assert refusal.value.code == "bad_set"
    both = sizes("nano", "mini")
    for made in both:
        holds.place_hold(actor=cast.engineer, checkpoint=made, reason=f"not {made.size}")
    with pytest.raises(PromotionBlocked) as blocked:
        promotions.request_set(
            actor=cast.release_manager, checkpoints=both, stage=to, reason="both"
        )
    assert [reason.code for reason in blocked.value.reasons] == ["held", "held"]
    assert not Promotion.objects.exists()
