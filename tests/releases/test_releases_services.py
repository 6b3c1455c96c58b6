from __future__ import annotations

from datetime import timedelta

import pytest

from infra import clock
from infra.actors import system
from infra.errors import InvalidInput, InvalidMove, NotPermitted
from releases.digests import sha256_of
from releases.models import Checkpoint, Codename, Hold, Release, Stage
from releases.selectors.promotions import reasons_of
from releases.selectors.releases import board, current_release, release_at
from releases.services import holds, promotions
from releases.services.releases import demote_release, halt_release, resume_release, roll_back
from releases.states import Outcome, ReleaseState
from tests import builders
from tests.builders import NOW, Cast
from tests.releases import story

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast() -> Cast:
    return builders.cast()


@pytest.fixture
def to() -> Stage:
    return story.stage(story.MANUAL)


def named(name: str) -> Checkpoint:
    return builders.checkpoint(name, checkpoint_digest=sha256_of(name))


def live(to: Stage) -> str | None:
    release = current_release(to, "nano")
    return release.checkpoint.name if release else None


def test_replacing_verifies_what_was_live(cast: Cast, to: Stage) -> None:
    for name in ("one", "two"):
        story.promoted(cast, named(name), to)
    assert live(to) == "two"
    ended = Release.objects.get(checkpoint__name="one")
    assert (ended.state, ended.verified) == ("ended", True)


def test_a_roll_back_returns_the_last_verified_and_holds_what_failed(cast: Cast, to: Stage) -> None:
    for name in ("one", "two", "three"):
        story.promoted(cast, named(name), to)
    holds.place_hold(actor=cast.engineer, reason="holds never block it", stage=to)
    roll_back(actor=cast.release_manager, stage=to, size="nano", reason="errors")
    assert live(to) == "two"
    assert Hold.objects.get(checkpoint__name="three").owner is None
    roll_back(actor=cast.release_manager, stage=to, size="nano", reason="errors too")
    assert live(to) == "one"
    with pytest.raises(InvalidMove) as refusal:
        roll_back(actor=cast.release_manager, stage=to, size="nano", reason="all of it")
    assert refusal.value.code == "nothing_to_return_to"
    assert live(to) == "one"


def test_a_guardrail_rolls_back_but_an_engineer_does_not(cast: Cast, to: Stage) -> None:
    for name in ("one", "two"):
        story.promoted(cast, named(name), to)
    with pytest.raises(NotPermitted):
        roll_back(actor=cast.engineer, stage=to, size="nano", reason="errors")
    with pytest.raises(InvalidInput):
        roll_back(actor=cast.release_manager, stage=to, size="nano", reason=" ")
    roll_back(actor=system("guardrail"), stage=to, size="nano", reason="error rate")
    assert live(to) == "one"
    with pytest.raises(InvalidMove):
        roll_back(actor=cast.release_manager, stage=to, size="mini", reason="no such size")


def test_a_system_hold_is_lifted_by_a_release_manager_alone(cast: Cast, to: Stage) -> None:
    for name in ("one", "two"):
        story.promoted(cast, named(name), to)
    roll_back(actor=cast.release_manager, stage=to, size="nano", reason="errors")
    hold = Hold.objects.get()
    with pytest.raises(NotPermitted):
        holds.lift_hold(actor=cast.engineer, hold=hold, reason="I fixed it")
    assert holds.lift_hold(actor=cast.release_manager, hold=hold, reason="fixed").lifted_at
    own = holds.place_hold(actor=cast.engineer, reason="odd", stage=to)
    with pytest.raises(NotPermitted, match="placed this hold"):
        holds.lift_hold(actor=cast.release_manager, hold=own, reason="let it go")


def test_an_auditor_places_no_hold(cast: Cast, to: Stage) -> None:
    with pytest.raises(NotPermitted):
        holds.place_hold(actor=cast.auditor, reason="odd", stage=to)
    with pytest.raises(InvalidInput):
        holds.place_hold(actor=cast.engineer, reason="odd")


def test_halting_keeps_the_place_and_resuming_is_a_new_stay(cast: Cast, to: Stage) -> None:
    story.promoted(cast, named("one"), to)
    release = current_release(to, "nano")
    halted = halt_release(actor=cast.release_manager, release=release, reason="odd")
    assert halted.state == ReleaseState.HALTED
    assert release_at(to, "nano", clock.now()) is None
    with pytest.raises(InvalidMove):
        halt_release(actor=cast.release_manager, release=release, reason="again")
    with pytest.raises(NotPermitted):
        resume_release(actor=system("guardrail"), release=release, reason="well")
    resumed = resume_release(actor=cast.release_manager, release=release, reason="fixed")
    assert (resumed.state, resumed.checkpoint.name) == (ReleaseState.LIVE, "one")
    assert resumed.pk != release.pk


def test_a_demoted_stage_is_empty(cast: Cast, to: Stage) -> None:
    story.promoted(cast, named("one"), to)
    demote_release(
        actor=cast.release_manager, release=current_release(to, "nano"), reason="not good"
    )
    assert live(to) is None
    with pytest.raises(InvalidMove) as refusal:
        roll_back(actor=cast.release_manager, stage=to, size="nano", reason="back")
    assert refusal.value.code == "nothing_live"


def test_what_was_live_at_any_past_moment(cast: Cast, to: Stage) -> None:
    with clock.frozen_at(NOW):
        story.promoted(cast, named("one"), to)
    with clock.frozen_at(NOW + timedelta(days=2)):
        story.promoted(cast, named("two"), to)
    moments = (timedelta(days=-1), timedelta(days=1), timedelta(days=2), timedelta(days=9))
    found = [release_at(to, "nano", NOW + moment) for moment in moments]
    assert [f.checkpoint.name if f else None for f in found] == [None, "one", "two", "two"]


def test_thirty_days_of_soak_pass_in_a_moment(cast: Cast) -> None:
    first = story.stage(story.MANUAL, name="internal")
    soak = {"id": "soak-1", "kind": "soak", "stage": "internal", "soak": "30d"}
    then = story.stage(soak, approvals={"required": 0, "groups": [], "expires": "60d"})
    made = named("one")
    with clock.frozen_at(NOW):
        story.promoted(cast, made, first)
        promotion = story.requested(cast.engineer, made, then)
        assert reasons_of(promotion)[0].clears_at == NOW + timedelta(days=30)
    with clock.frozen_at(NOW + timedelta(days=29)):
        promotions.advance_promotions()
        assert live(then) is None
    with clock.frozen_at(NOW + timedelta(days=30)):
        promotions.advance_promotions()
        assert live(then) == "one"


def test_a_halt_ends_the_soak_and_what_was_reached_is_kept(cast: Cast) -> None:
    first = story.stage(story.MANUAL, name="internal")
    soak = {"id": "soak-1", "kind": "soak", "stage": "internal", "soak": "2d"}
    then = story.stage(soak)
    made = named("one")
    with clock.frozen_at(NOW):
        story.promoted(cast, made, first)
    with clock.frozen_at(NOW + timedelta(days=1)):
        halt_release(
            actor=cast.release_manager, release=current_release(first, "nano"), reason="odd"
        )
    with clock.frozen_at(NOW + timedelta(days=3)):
        promotion = story.requested(cast.engineer, made, then)
        assert reasons_of(promotion)[0].outcome is Outcome.INCONCLUSIVE
        halted = current_release(first, "nano")
        resume_release(actor=cast.release_manager, release=halted, reason="fixed")
        promotion = promotions.evaluate_promotion(actor=cast.engineer, promotion=promotion)
        assert reasons_of(promotion)[0].clears_at == NOW + timedelta(days=5)
    with clock.frozen_at(NOW + timedelta(days=6)):
        demote_release(
            actor=cast.release_manager, release=current_release(first, "nano"), reason="done"
        )
        promotions.advance_promotions()
        assert reasons_of(promotion)[0].outcome is Outcome.PASS


def test_keep_leaves_the_codename_and_new_gives_each_its_own(cast: Cast) -> None:
    to = story.stage(story.MANUAL, codenames={"nano": "quasar"}, on_promote="new")
    Codename.objects.create(stage=to, size="nano", name="quasar", opens_at=NOW)
    for name in ("one", "two"):
        story.promoted(cast, named(name), to)
    names = dict(Codename.objects.values_list("name", "checkpoint__name"))
    assert names == {"quasar": "one", "quasar-2": "two"}
    assert Codename.objects.get(name="quasar").ends_at is not None
    roll_back(actor=cast.release_manager, stage=to, size="nano", reason="errors")
    assert Codename.objects.get(name="quasar").ends_at is None
    assert Codename.objects.get(name="quasar-2").ends_at is not None


def test_the_board_costs_the_same_number_of_queries_however_full(
    cast: Cast,
    to: Stage,
    django_assert_num_queries: object,
    django_assert_max_num_queries: object,
) -> None:
    story.promoted(cast, named("one"), to)
    story.requested(cast.engineer, named("two"), to)
    with django_assert_max_num_queries(16) as counted:  # type: ignore[operator]
        (family,) = board()
    (found,) = family.stages
    assert [release.checkpoint.name for release in found.releases] == ["one"]
    assert [queued.waits_for.code for queued in found.queued if queued.waits_for] == ["unanswered"]
    for name in ("three", "four", "five"):
        story.requested(cast.engineer, named(name), to)
    with django_assert_num_queries(len(counted.captured_queries)):  # type: ignore[operator]
        board()
