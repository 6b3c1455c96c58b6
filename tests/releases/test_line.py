"""Stop the line: one person stops everything that moves forward, two persons start it again."""

from __future__ import annotations

import pytest

from infra.actors import Actor, system
from infra.errors import DomainError, InvalidInput, InvalidMove, NotPermitted, PromotionBlocked
from infra.models import AuditEntry, User
from infra.people import actor_of_login
from infra.roles import Role
from releases.models import LineStop, Release
from releases.selectors.blocks import Move
from releases.services import line, promotions
from releases.services.releases import demote_release, halt_release, resume_release, roll_back
from releases.states import PromotionState, ReleaseState
from tests import builders
from tests.builders import Cast
from tests.releases import story

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast() -> Cast:
    return builders.cast()


def code_of(refusal: pytest.ExceptionInfo[DomainError]) -> str:
    return refusal.value.code


def test_a_stopped_line_promotes_nothing_and_asks_for_nothing_new(cast: Cast) -> None:
    to = story.stage(story.MANUAL)
    waiting = story.requested(cast.release_manager, builders.checkpoint("chat-nano-2"), to)
    line.stop_the_line(actor=cast.release_manager, reason="odd answers")
    promotions.answer_gate(
        actor=cast.engineer, promotion=waiting, gate_id="manual-1", yes=True, comment="Good."
    )
    after = story.approved(cast.second_release_manager, waiting)
    assert after.state == PromotionState.WAITING
    assert promotions.advance_promotions() == 0
    with pytest.raises(PromotionBlocked) as refusal:
        promotions.execute_promotion(actor=cast.release_manager, promotion=waiting)
    assert [reason.code for reason in refusal.value.reasons] == ["line_stopped"]
    with pytest.raises(PromotionBlocked) as refusal:
        story.requested(cast.engineer, builders.checkpoint("chat-nano-3"), to)
    assert "odd answers" in refusal.value.message
    assert not Release.objects.exists()


def test_what_waited_moves_on_once_two_persons_started_the_line(cast: Cast) -> None:
    to = story.stage(story.MANUAL)
    waiting = story.requested(cast.release_manager, builders.checkpoint("chat-nano-2"), to)
    promotions.answer_gate(
        actor=cast.engineer, promotion=waiting, gate_id="manual-1", yes=True, comment="Good."
    )
    line.stop_the_line(actor=cast.release_manager, reason="odd answers")
    story.approved(cast.second_release_manager, waiting)
    line.ask_to_start_the_line(actor=cast.release_manager, reason="understood")
    assert promotions.advance_promotions() == 0
    line.confirm_start(actor=cast.second_release_manager)
    assert promotions.advance_promotions() == 1
    assert Release.objects.get().promotion == waiting
    told = AuditEntry.objects.filter(object_type="linestop").order_by("seq")
    assert [entry.action for entry in told] == ["line.stopped", "line.start_asked", "line.started"]


def test_the_way_back_is_free_while_the_line_is_stopped(cast: Cast) -> None:
    to = story.stage(story.MANUAL)
    manager = cast.release_manager
    story.promoted(cast, builders.checkpoint("chat-nano-2"), to)
    story.promoted(cast, builders.checkpoint("chat-nano-3"), to)
    line.stop_the_line(actor=manager, reason="odd answers")
    live = Release.objects.get(ended_at__isnull=True)
    halted = halt_release(actor=manager, release=live, reason="odd")
    assert halted.state == ReleaseState.HALTED
    resumed = resume_release(actor=manager, release=halted, reason="not so odd")
    back = roll_back(actor=manager, stage=to, size="nano", reason="odd after all")
    assert (resumed.checkpoint.name, back.checkpoint.name) == ("chat-nano-3", "chat-nano-2")
    assert demote_release(actor=manager, release=back, reason="all odd").ended_at


def test_only_release_managers_stop_the_line(cast: Cast) -> None:
    others = (cast.engineer, cast.behaviour_reviewer, cast.partner_manager, cast.auditor)
    for actor in (*others, system("scheduler")):
        with pytest.raises(NotPermitted):
            line.stop_the_line(actor=actor, reason="odd answers")
    with pytest.raises(InvalidInput):
        line.stop_the_line(actor=cast.release_manager, reason="  ")
    assert not LineStop.objects.exists()


def other_login(of: Actor) -> Actor:
    """A second login of the same human, with the same rights."""
    first = User.objects.get(person_id=of.person_id)
    second = builders.login(f"{first.username}_oidc", Role.RELEASE_MANAGER, person=first.person)
    actor = actor_of_login(second)
    assert actor.person_id == of.person_id
    return actor


def test_one_human_with_two_logins_is_one_person(cast: Cast) -> None:
    line.stop_the_line(actor=cast.second_release_manager, reason="odd answers")
    line.ask_to_start_the_line(actor=cast.release_manager, reason="understood")
    for same in (cast.release_manager, other_login(cast.release_manager)):
        with pytest.raises(NotPermitted) as refusal:
            line.confirm_start(actor=same)
        assert code_of(refusal) == "second_person_required"
    assert LineStop.objects.get().lifted_at is None


def test_nobody_confirms_what_nobody_who_may_has_asked_for(cast: Cast) -> None:
    line.stop_the_line(actor=cast.release_manager, reason="odd answers")
    with pytest.raises(InvalidMove) as refusal:
        line.confirm_start(actor=cast.second_release_manager)
    assert code_of(refusal) == "nobody_asked"
    line.ask_to_start_the_line(actor=cast.release_manager, reason="understood")
    User.objects.filter(person_id=cast.release_manager.person_id).update(is_active=False)
    with pytest.raises(InvalidMove) as refusal:
        line.confirm_start(actor=cast.second_release_manager)
    assert code_of(refusal) == "asker_left"
    with pytest.raises(NotPermitted):
        line.confirm_start(actor=cast.engineer)


def test_a_second_request_to_start_is_no_confirmation(cast: Cast) -> None:
    line.stop_the_line(actor=cast.release_manager, reason="odd answers")
    line.ask_to_start_the_line(actor=cast.release_manager, reason="understood")
    with pytest.raises(InvalidMove) as refusal:
        line.ask_to_start_the_line(actor=cast.second_release_manager, reason="me too")
    assert code_of(refusal) == "asked_already"
    assert LineStop.objects.get().lifted_at is None


def test_a_line_is_stopped_once_and_a_running_line_is_not_started(cast: Cast) -> None:
    with pytest.raises(InvalidMove) as refusal:
        line.ask_to_start_the_line(actor=cast.release_manager, reason="understood")
    assert code_of(refusal) == "line_runs"
    line.stop_the_line(actor=cast.release_manager, reason="odd answers")
    with pytest.raises(InvalidMove) as refusal:
        line.stop_the_line(actor=cast.second_release_manager, reason="odd here too")
    assert code_of(refusal) == "line_stopped"


def test_every_forward_move_is_refused_with_everything_that_blocks_it(cast: Cast) -> None:
    to, made = story.stage(story.MANUAL), builders.checkpoint()
    line.must_move([Move(checkpoint=made, stage=to)])
    line.stop_the_line(actor=cast.release_manager, reason="odd answers")
    with pytest.raises(PromotionBlocked) as refusal:
        line.must_move([Move(checkpoint=made, stage=to), Move(checkpoint=made, stage=to)])
    assert [reason.code for reason in refusal.value.reasons] == ["line_stopped"]
