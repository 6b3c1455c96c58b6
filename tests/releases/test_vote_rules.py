"""Who is too near to a promotion to decide it, and when a right that was lost stops counting."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext

from infra import clock
from infra.actors import Actor
from infra.errors import InvalidMove, NotPermitted, PromotionBlocked
from infra.models import Person, User
from infra.people import actor_of_login
from infra.roles import Role
from releases.models import Approval, Checkpoint, DecisionRecord, Promotion, Release, Stage
from releases.selectors.nearness import near_to_all
from releases.selectors.promotions import decision_of, promotion_with_id, promotions
from releases.services import deployments, holds
from releases.services import promotions as services
from releases.services.checkpoints import register_checkpoint
from releases.services.pipelines import apply_pipelines
from releases.states import PromotionState, Vote
from tests import builders
from tests.builders import Cast
from tests.releases import documents, story

pytestmark = pytest.mark.django_db
FILE = """\
kind: Pipeline
name: chat
family: chat
stages:
  - name: closed-alpha
    gates:
      - {{kind: manual, id: manual-1, role: engineer, question: "{question}"}}
    approvals: {{required: {required}, groups: [release-managers]}}
"""
UNASKED = "The upstream starts tonight only."


@pytest.fixture
def cast() -> Cast:
    return builders.cast()


def apply(actor: Actor, required: int = 1, question: str = "Does the tone fit?") -> Stage:
    text = FILE.format(required=required, question=question)
    apply_pipelines(actor=actor, files={"chat.yaml": text})
    return Stage.objects.get(name="closed-alpha")


def registered(actor: Actor, folder: Path, owner: str = "engineer") -> Checkpoint:
    """A checkpoint that `actor` registers for its owner."""
    documents.artifact(folder)
    document = documents.checkpoint(f"file://{folder}", owner=owner)
    return register_checkpoint(actor=actor, document=document).checkpoint


def deploy(actor: Actor, checkpoint: Checkpoint) -> None:
    deployments.add_deployment(
        actor=actor,
        checkpoint=checkpoint,
        base_url="http://127.0.0.1:9/v1",
        upstream_model="m",
        skip_probe_reason=UNASKED,
    )


def waiting(cast: Cast, checkpoint: Checkpoint, to: Stage) -> Promotion:
    """Asked and answered by the engineer; votes are missing."""
    promotion = story.requested(cast.engineer, checkpoint, to)
    return services.answer_gate(
        actor=cast.engineer, promotion=promotion, gate_id="manual-1", yes=True, comment="It does."
    )


def codes(refusal: pytest.ExceptionInfo[NotPermitted]) -> list[str]:
    return [reason.code for reason in refusal.value.reasons]


def other_login(of: Actor, *roles: Role) -> Actor:
    """A second login of the same person."""
    first = User.objects.get(person_id=of.person_id)
    second = builders.login(f"{first.username}_at_home", *roles, person=first.person)
    assert second.person == first.person
    return actor_of_login(second)


def edits_registration(cast: Cast, editor: Actor, folder: Path) -> Promotion:
    return waiting(cast, registered(editor, folder), apply(cast.second_release_manager))


def edits_deployment(cast: Cast, editor: Actor, folder: Path) -> Promotion:
    checkpoint = registered(cast.engineer, folder)
    deploy(editor, checkpoint)
    return waiting(cast, checkpoint, apply(cast.second_release_manager))


def edits_policy(cast: Cast, editor: Actor, folder: Path) -> Promotion:
    to = apply(cast.second_release_manager, question="Is it fine?")
    promotion = waiting(cast, registered(cast.engineer, folder), to)
    apply(editor, question="Does it feel right?")
    promotion = promotion_with_id(promotion.pk)
    assert promotion.policy_digest == Stage.objects.get().policy_digest
    return promotion


EDITS = {
    "registered the checkpoint": edits_registration,
    "changed the checkpoint's deployments": edits_deployment,
    "applied a policy that this promotion took": edits_policy,
}


@pytest.mark.parametrize("why", EDITS)
def test_an_editor_decides_nothing_by_no_login(
    cast: Cast, own_object_store: Path, why: str
) -> None:
    editor = cast.release_manager
    promotion = EDITS[why](cast, editor, own_object_store / "files")
    User.objects.filter(username="release_manager").update(is_superuser=True)
    for actor in (editor, other_login(editor, Role.RELEASE_MANAGER)):
        for choice in Vote:
            with pytest.raises(NotPermitted, match=why) as refusal:
                services.vote(actor=actor, promotion=promotion, choice=choice, comment="x")
            assert codes(refusal) == ["own_edit"]
    assert not Approval.objects.exists()


def test_whoever_applied_the_policy_before_the_request_may_decide(
    cast: Cast, own_object_store: Path
) -> None:
    to = apply(cast.release_manager)
    promotion = waiting(cast, registered(cast.engineer, own_object_store / "files"), to)
    assert story.approved(cast.release_manager, promotion).state == PromotionState.PROMOTED


def test_an_apply_that_changes_nothing_edits_nothing(cast: Cast, own_object_store: Path) -> None:
    to = apply(cast.second_release_manager)
    promotion = waiting(cast, registered(cast.engineer, own_object_store / "files"), to)
    apply(cast.release_manager)
    assert story.approved(cast.release_manager, promotion).state == PromotionState.PROMOTED


def test_every_way_of_being_near_is_said(cast: Cast, own_object_store: Path) -> None:
    manager = cast.release_manager
    own = registered(manager, own_object_store / "files", owner="release_manager")
    deploy(manager, own)
    promotion = story.requested(manager, own, apply(cast.second_release_manager))
    with pytest.raises(NotPermitted) as refusal:
        services.vote(actor=manager, promotion=promotion, choice=Vote.REJECT, comment="x")
    assert codes(refusal) == ["own_checkpoint", "own_request", "own_edit", "own_edit"]


def test_an_edit_after_the_vote_voids_it_by_name(cast: Cast, own_object_store: Path) -> None:
    checkpoint = registered(cast.engineer, own_object_store / "files")
    promotion = waiting(cast, checkpoint, apply(cast.second_release_manager, required=2))
    story.approved(cast.release_manager, promotion)
    deploy(cast.release_manager, checkpoint)
    moved = story.approved(cast.second_release_manager, promotion)
    assert moved.state == PromotionState.WAITING
    void = Approval.objects.get(voided_at__isnull=False)
    assert void.void_reason == "Release Manager changed the checkpoint's deployments."


def leaves(login: User) -> None:
    Person.objects.filter(pk=login.person_id).update(left_at=clock.now())


def is_locked_out(login: User) -> None:
    User.objects.filter(pk=login.pk).update(is_active=False)


def loses_the_group(login: User) -> None:
    login.groups.remove(Group.objects.get(name=Role.RELEASE_MANAGER.value))


LOSSES = [leaves, is_locked_out, loses_the_group]


@pytest.mark.parametrize("loses", LOSSES)
def test_the_approval_of_a_removed_member_counts_no_more(
    cast: Cast, own_object_store: Path, loses: Callable[[User], None]
) -> None:
    to = apply(cast.second_release_manager, required=2)
    promotion = waiting(cast, registered(cast.engineer, own_object_store / "files"), to)
    story.approved(cast.release_manager, promotion)
    loses(User.objects.get(username="release_manager"))
    assert decision_of(promotion_with_id(promotion.pk)).approvals_needed == 2
    moved = story.approved(cast.second_release_manager, promotion)
    assert (moved.state, Release.objects.count()) == (PromotionState.WAITING, 0)
    void = Approval.objects.get(voided_at__isnull=False)
    assert (void.person.name, "in none of the groups" in void.void_reason) == (
        "Release Manager",
        True,
    )


@pytest.mark.parametrize("loses", LOSSES)
def test_rights_are_looked_at_again_at_execution(
    cast: Cast, own_object_store: Path, loses: Callable[[User], None]
) -> None:
    checkpoint = registered(cast.engineer, own_object_store / "files")
    promotion = waiting(cast, checkpoint, apply(cast.second_release_manager))
    hold = holds.place_hold(actor=cast.engineer, reason="odd", checkpoint=checkpoint)
    story.approved(cast.release_manager, promotion)
    loses(User.objects.get(username="release_manager"))
    holds.lift_hold(actor=cast.engineer, hold=hold, reason="fine")
    with pytest.raises(PromotionBlocked) as refusal:
        services.execute_promotion(actor=cast.second_release_manager, promotion=promotion)
    assert [reason.code for reason in refusal.value.reasons] == ["approvals_missing"]
    assert services.advance_promotions() == 0
    assert not Release.objects.exists()


def test_who_has_left_may_do_nothing_even_with_a_login(cast: Cast, own_object_store: Path) -> None:
    to = apply(cast.second_release_manager)
    promotion = waiting(cast, registered(cast.engineer, own_object_store / "files"), to)
    login = User.objects.get(username="release_manager")
    leaves(login)
    gone = actor_of_login(User.objects.get(pk=login.pk))
    with pytest.raises(NotPermitted) as refusal:
        story.approved(gone, promotion)
    assert codes(refusal) == ["not_permitted"]


def test_a_decision_that_was_made_stays_as_it_was(cast: Cast, own_object_store: Path) -> None:
    checkpoint = registered(cast.engineer, own_object_store / "files")
    promotion = waiting(cast, checkpoint, apply(cast.second_release_manager))
    done = story.approved(cast.release_manager, promotion)
    before = decision_of(done)
    with clock.moved_by(timedelta(days=1)):
        deploy(cast.release_manager, checkpoint)
        loses_the_group(User.objects.get(username="release_manager"))
        assert decision_of(promotion_with_id(done.pk)) == before
    assert before.admits


def test_the_record_says_who_could_not_decide_and_why(cast: Cast, own_object_store: Path) -> None:
    checkpoint = registered(cast.release_manager, own_object_store / "files")
    promotion = waiting(cast, checkpoint, apply(cast.release_manager))
    story.approved(cast.second_release_manager, promotion)
    excluded = DecisionRecord.objects.get().document["excluded"]
    assert excluded == {
        str(cast.engineer.person_id): "owns the checkpoint and requested this promotion",
        str(cast.release_manager.person_id): "registered the checkpoint",
    }


def test_expiry_is_never_approval(cast: Cast, own_object_store: Path) -> None:
    to = apply(cast.second_release_manager, required=2)
    promotion = waiting(cast, registered(cast.engineer, own_object_store / "files"), to)
    story.approved(cast.release_manager, promotion)
    with clock.moved_by(timedelta(days=7, seconds=1)):
        services.advance_promotions()
        ended = promotion_with_id(promotion.pk)
        assert (ended.state, Release.objects.count()) == (PromotionState.EXPIRED, 0)
        with pytest.raises(InvalidMove) as refusal:
            story.approved(cast.second_release_manager, ended)
    assert refusal.value.code == "promotion_ended"


def test_the_near_of_many_promotions_take_two_queries(cast: Cast) -> None:
    stages = [story.stage(story.MANUAL, name=f"s{number}") for number in range(5)]
    checkpoint = builders.checkpoint("chat-nano-2")
    deploy(cast.engineer, checkpoint)
    for to in stages:
        story.requested(cast.release_manager, checkpoint, to)
    rows = list(promotions())
    with CaptureQueriesContext(connection) as queries:
        found = near_to_all(rows)
    assert (len(rows), len(queries)) == (5, 2)
    assert {len(near) for near in found.values()} == {2}
