"""Ramps as they are started, moved on, held up, approved and ended."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from infra import clock
from infra.actors import Actor, ActorKind
from infra.errors import InvalidInput, InvalidMove, NotFound, NotPermitted, PromotionBlocked
from infra.models import AuditEntry
from infra.roles import Scope
from releases.models import Codename, Hold, Ramp, Release, Stage
from releases.selectors.promotions import reasons_of
from releases.selectors.ramps import ramp_views
from releases.services import holds, promotions
from releases.services.line import stop_the_line
from releases.services.ramps import advance_ramps, approve_step, end_ramp
from releases.services.releases import demote_release, halt_release, resume_release, roll_back
from releases.states import PromotionState, RampState, ReleaseState
from tests import builders
from tests.builders import NOW, Cast
from tests.releases import rollout, story
from tests.releases.rollout import begun, candidate, incumbent, shares

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast() -> Cast:
    return builders.cast()


def at(hours: float) -> Any:
    return clock.frozen_at(moment(hours))


def moment(hours: float) -> datetime:
    return NOW + timedelta(hours=hours)


def look(hours: float) -> int:
    """The scheduler's look that many hours after the start."""
    with at(hours):
        return advance_ramps()


def started(cast: Cast, *steps: dict[str, Any], **settings: Any) -> Stage:
    """`one` is the incumbent, `two` has begun its ramp at NOW."""
    to = rollout.stage(*steps, **settings)
    with at(0):
        begun(cast, to, "one", "two")
    return to


def ramp() -> Ramp:
    return Ramp.objects.get()


def test_the_first_of_its_size_serves_everybody_at_once(cast: Cast) -> None:
    to = rollout.stage()
    begun(cast, to, "one")
    assert shares(to) == {"one": ("incumbent", 100)}
    assert not Ramp.objects.exists()


def test_a_candidate_grows_by_its_steps_and_becomes_the_incumbent(cast: Cast) -> None:
    to = started(cast)
    assert shares(to) == {"one": ("incumbent", 90), "two": ("candidate", 10)}
    assert [look(1.9), look(2), look(2)] == [0, 1, 0]
    assert shares(to)["two"] == ("candidate", 50)
    assert [look(7.9), look(8), look(11.9), look(12), look(12)] == [0, 1, 0, 1, 0]
    assert shares(to) == {"two": ("incumbent", 100)}
    old = Release.objects.get(checkpoint__name="one")
    assert (old.verified, old.end_reason) == (True, "Replaced by two.")
    assert (ramp().state, ramp().ended_at) == (RampState.ENDED, moment(12))
    assert rollout.history(to) == [
        ("one", "incumbent", 100),
        ("one", "incumbent", 90),
        ("two", "candidate", 10),
        ("two", "candidate", 50),
        ("one", "incumbent", 50),
        ("two", "candidate", 90),
        ("one", "incumbent", 10),
        ("two", "incumbent", 100),
    ]
    told = AuditEntry.objects.filter(action__startswith="ramp.").values_list("action", flat=True)
    assert sorted(told) == ["ramp.ended", "ramp.started", "ramp.stepped", "ramp.stepped"]


def test_after_a_downtime_overdue_steps_fold_into_one_move(cast: Cast) -> None:
    to = started(cast)
    assert look(9) == 1
    assert shares(to)["two"] == ("candidate", 90)
    stepped = AuditEntry.objects.get(action="ramp.stepped")
    assert stepped.reason == "Step 3 of 3: 90 %; 1 overdue step folded into it."
    assert [look(12.9), look(13)] == [0, 1]
    assert shares(to) == {"two": ("incumbent", 100)}


def test_a_holdback_leaves_an_incumbent_until_somebody_ends_the_ramp(cast: Cast) -> None:
    to = started(cast, {"percent": 10, "for": "2h"}, {"percent": 95, "for": "1h"}, holdback=20)
    with at(0), pytest.raises(InvalidMove) as refusal:
        end_ramp(actor=cast.release_manager, release=candidate(to), reason="now")
    assert refusal.value.code == "ramp_not_held_back"
    look(2)
    look(3)
    assert shares(to) == {"one": ("incumbent", 20), "two": ("candidate", 80)}
    assert ramp().state == RampState.HELD_BACK and look(900) == 0
    with pytest.raises(NotPermitted):
        end_ramp(actor=cast.engineer, release=candidate(to), reason="good")
    with pytest.raises(InvalidInput):
        end_ramp(actor=cast.release_manager, release=candidate(to), reason=" ")
    ended = end_ramp(actor=cast.release_manager, release=candidate(to), reason="good")
    assert shares(to) == {"two": ("incumbent", 100)} and ended == incumbent(to)
    with pytest.raises(NotFound):
        end_ramp(actor=cast.release_manager, release=ended, reason="again")


def test_a_holdback_alone_begins_where_a_ramp_would_end(cast: Cast) -> None:
    to = story.stage(story.MANUAL, holdback=10)
    begun(cast, to, "one", "two")
    assert shares(to) == {"one": ("incumbent", 10), "two": ("candidate", 90)}
    assert ramp().state == RampState.HELD_BACK
    begun(cast, to, "three")
    assert shares(to) == {"two": ("incumbent", 10), "three": ("candidate", 90)}
    assert Release.objects.get(checkpoint__name="one").verified
    states = dict(Ramp.objects.values_list("release__checkpoint__name", "state"))
    assert states == {"two": "ended", "three": "held_back"}


def test_the_next_promotion_waits_for_a_running_ramp_and_then_goes_by_itself(cast: Cast) -> None:
    to = started(cast)
    with at(1):
        waiting = begun(cast, to, "three")
        assert waiting.state == PromotionState.WAITING
        (reason,) = [r for r in reasons_of(waiting) if not r.admits]
        assert reason.code == "ramp_running" and "two is on its way up" in reason.sentence
    for hours in (2, 8, 12):
        look(hours)
    with at(12):
        promotions.advance_promotions()
    assert shares(to) == {"two": ("incumbent", 90), "three": ("candidate", 10)}


def test_what_holds_a_due_step_up_is_told_once_and_not_made_up_for(cast: Cast) -> None:
    to = started(cast)
    with at(1):
        hold = holds.place_hold(actor=cast.engineer, reason="odd answers", stage=to)
    assert [look(2), look(2.1), look(60)] == [0, 0, 0]
    assert (ramp().blocked_at, ramp().step) == (moment(2), 0)
    assert "odd answers" in ramp().blocked_reason
    assert AuditEntry.objects.filter(action="ramp.held_up").count() == 1
    with at(70):
        holds.lift_hold(actor=cast.engineer, hold=hold, reason="fine")
    assert look(70) == 1
    assert shares(to)["two"] == ("candidate", 50)
    assert [look(75.9), look(76)] == [0, 1]
    assert ramp().blocked_at is None


def test_the_stopped_line_stops_every_step_and_no_way_back(cast: Cast) -> None:
    to = started(cast, {"percent": 10, "for": "2h"}, {"percent": 50, "approval": True}, holdback=5)
    with at(1):
        stop_the_line(actor=cast.release_manager, reason="something is wrong")
    assert look(3) == 0 and shares(to)["two"] == ("candidate", 10)
    with at(3):
        halt_release(actor=cast.release_manager, release=candidate(to), reason="odd")
        resume_release(actor=cast.release_manager, release=candidate(to), reason="fine")
        roll_back(actor=cast.release_manager, stage=to, size="nano", reason="no")
    assert shares(to) == {"one": ("incumbent", 100)}


def test_an_ended_ramp_is_blocked_by_a_hold_too(cast: Cast) -> None:
    to = story.stage(story.MANUAL, holdback=10)
    begun(cast, to, "one", "two")
    holds.place_hold(actor=cast.engineer, reason="odd", checkpoint=candidate(to).checkpoint)
    with pytest.raises(PromotionBlocked) as refusal:
        end_ramp(actor=cast.release_manager, release=candidate(to), reason="good")
    assert [reason.code for reason in refusal.value.reasons] == ["held"]


ASKING = ({"percent": 10, "for": "2h", "approval": True}, {"percent": 60, "for": "1h"})


def test_an_approval_step_waits_for_a_person_who_is_not_near(cast: Cast) -> None:
    to = started(cast, *ASKING)
    assert look(500) == 0
    refused = {
        "requested it": cast.release_manager,
        "no release manager": cast.engineer,
        "no person": Actor(kind=ActorKind.SERVICE_KEY, name="ci", scopes=frozenset(Scope)),
    }
    for why, actor in refused.items():
        with pytest.raises(NotPermitted), at(500):
            approve_step(actor=actor, release=candidate(to), comment="go")
        assert not Ramp.objects.get().approvals.exists(), why
    with at(500), pytest.raises(InvalidMove) as refusal:
        approve_step(actor=cast.second_release_manager, release=candidate(to), comment="go", step=2)
    assert refusal.value.code == "step_changed"
    with at(500):
        moved = approve_step(
            actor=cast.second_release_manager, release=candidate(to), comment="go", step=1
        )
    assert moved.share == 60
    assert (ramp().step, ramp().step_ends_at) == (1, moment(501))
    assert shares(to)["two"] == ("candidate", 60)
    with at(500), pytest.raises(InvalidMove) as refusal:
        approve_step(actor=cast.second_release_manager, release=candidate(to), comment="go")
    assert refusal.value.code == "no_approval_asked"


def test_an_approval_given_early_counts_when_the_time_is_over(cast: Cast) -> None:
    to = started(cast, *ASKING)
    with at(1):
        approve_step(actor=cast.second_release_manager, release=candidate(to), comment="go")
    assert shares(to)["two"] == ("candidate", 10)
    assert [look(1.9), look(2)] == [0, 1]


def test_an_approval_of_somebody_who_left_counts_no_more(cast: Cast) -> None:
    to = started(cast, *ASKING)
    with at(1):
        approve_step(actor=cast.second_release_manager, release=candidate(to), comment="go")
    login = builders.login("second_release_manager")
    login.groups.clear()
    login.is_active = False
    login.save(update_fields=["is_active"])
    assert look(3) == 0


def test_the_owner_of_a_checkpoint_does_not_let_it_go_on(cast: Cast) -> None:
    to = rollout.stage(*ASKING)
    owner = builders.login("second_release_manager").person
    with at(0):
        begun(cast, to, "one")
        made = builders.checkpoint("two", owner=owner)
        promotion = story.requested(cast.engineer, made, to)
        promotions.answer_gate(
            actor=cast.engineer, promotion=promotion, gate_id="manual-1", yes=True, comment="Yes."
        )
        story.approved(cast.release_manager, promotion)
    with at(1), pytest.raises(NotPermitted) as refusal:
        approve_step(actor=cast.second_release_manager, release=candidate(to), comment="go")
    assert refusal.value.code == "own_checkpoint"


def test_a_monitored_step_without_a_guardrail_never_goes_on(cast: Cast) -> None:
    to = started(cast, {"percent": 10, "for": "2h", "monitored": True}, {"percent": 60})
    assert look(500) == 0
    view = ramp_views([candidate(to)], moment(500))[candidate(to).pk]
    assert view.waits == ("guardrails",) and "no guardrail watches it" in view.sentence


def test_a_halted_candidate_stops_its_ramp_and_a_resumed_one_begins_the_step_again(
    cast: Cast,
) -> None:
    to = started(cast)
    look(2)
    with at(5):
        halt_release(actor=cast.release_manager, release=candidate(to), reason="odd")
    assert ramp().state == RampState.STOPPED and look(99) == 0
    assert shares(to) == {"one": ("incumbent", 50), "two": ("candidate", 50)}
    with at(100):
        resumed = resume_release(actor=cast.release_manager, release=candidate(to), reason="fine")
    assert (ramp().state, ramp().release_id) == (RampState.RAMPING, resumed.pk)
    assert (ramp().step, ramp().step_ends_at) == (1, moment(106))
    assert [look(105.9), look(106)] == [0, 1]
    assert shares(to)["two"] == ("candidate", 90)


def test_a_demoted_candidate_leaves_everything_to_the_incumbent(cast: Cast) -> None:
    to = started(cast)
    demote_release(actor=cast.release_manager, release=candidate(to), reason="not good")
    assert shares(to) == {"one": ("incumbent", 100)}
    assert (ramp().state, look(99)) == (RampState.STOPPED, 0)
    assert not Hold.objects.exists()


def test_a_demoted_incumbent_leaves_everything_to_the_candidate_and_says_so(cast: Cast) -> None:
    to = started(cast)
    left = demote_release(actor=cast.release_manager, release=incumbent(to), reason="leaks")
    assert shares(to) == {"two": ("incumbent", 100)}
    assert left.end_reason == "leaks (two takes over with 100 %.)"
    assert (left.verified, ramp().state) == (False, RampState.ENDED)


def test_a_halted_candidate_that_takes_over_stays_halted(cast: Cast) -> None:
    to = started(cast)
    halt_release(actor=cast.release_manager, release=candidate(to), reason="odd")
    demote_release(actor=cast.release_manager, release=incumbent(to), reason="leaks")
    assert shares(to) == {"two": ("incumbent", 100)}
    assert incumbent(to).state == ReleaseState.HALTED
    assert ramp().state == RampState.STOPPED and ramp().ended_at is not None


def test_a_roll_back_takes_the_candidate_out_and_holds_it(cast: Cast) -> None:
    to = started(cast)
    back = roll_back(actor=cast.release_manager, stage=to, size="nano", reason="errors")
    assert shares(to) == {"one": ("incumbent", 100)} and back.checkpoint.name == "one"
    assert Hold.objects.get().checkpoint.name == "two"
    assert ramp().state == RampState.STOPPED
    with pytest.raises(InvalidMove) as refusal:
        roll_back(actor=cast.release_manager, stage=to, size="nano", reason="errors")
    assert refusal.value.code == "nothing_to_return_to"


def test_a_roll_back_from_a_halted_incumbent_returns_the_one_before_both(cast: Cast) -> None:
    to = started(cast)
    for hours in (2, 8, 12):
        look(hours)
    with at(13):
        begun(cast, to, "three")
    with at(14):
        halt_release(actor=cast.release_manager, release=incumbent(to), reason="leaks")
        assert look(15) == 0
        roll_back(actor=cast.release_manager, stage=to, size="nano", reason="both leak")
    assert shares(to) == {"one": ("incumbent", 100)}
    held = set(Hold.objects.values_list("checkpoint__name", flat=True))
    assert held == {"two", "three"}


def test_a_halted_incumbent_holds_the_ramp_up(cast: Cast) -> None:
    to = started(cast)
    with at(1):
        halt_release(actor=cast.release_manager, release=incumbent(to), reason="odd")
    assert look(2) == 0
    assert "resume or demote" in ramp().blocked_reason


def test_a_halted_incumbent_is_replaced_at_once(cast: Cast) -> None:
    to = rollout.stage()
    begun(cast, to, "one")
    halt_release(actor=cast.release_manager, release=incumbent(to), reason="odd")
    begun(cast, to, "two")
    assert shares(to) == {"two": ("incumbent", 100)}
    assert not Release.objects.get(checkpoint__name="one").verified


def test_a_halted_candidate_makes_room_for_the_next_one(cast: Cast) -> None:
    to = started(cast)
    halt_release(actor=cast.release_manager, release=candidate(to), reason="odd")
    begun(cast, to, "three")
    assert shares(to) == {"one": ("incumbent", 90), "three": ("candidate", 10)}
    ended = Release.objects.get(checkpoint__name="two")
    assert (ended.state, ended.verified) == (ReleaseState.ENDED, False)


def test_without_a_ramp_both_arms_are_replaced_at_once(cast: Cast) -> None:
    to = story.stage(story.MANUAL, holdback=10)
    begun(cast, to, "one", "two")
    to.policy = {**to.policy, "holdback": 0}
    to.save(update_fields=["policy"])
    begun(cast, to, "three")
    assert shares(to) == {"three": ("incumbent", 100)}
    verified = Release.objects.filter(verified=True).values_list("checkpoint__name", flat=True)
    assert set(verified) == {"one", "two"}
    back = roll_back(actor=cast.release_manager, stage=to, size="nano", reason="errors")
    assert back.checkpoint.name == "two"


def test_codenames_of_both_arms_are_open_while_both_serve(cast: Cast) -> None:
    to = rollout.stage(codenames={"nano": "quasar"}, on_promote="new")
    Codename.objects.create(stage=to, size="nano", name="quasar", opens_at=NOW)
    begun(cast, to, "one", "two")

    def opened() -> set[str]:
        rows = Codename.objects.filter(ends_at__isnull=True)
        return set(rows.values_list("name", flat=True))

    assert opened() == {"quasar", "quasar-2"}
    roll_back(actor=cast.release_manager, stage=to, size="nano", reason="errors")
    assert opened() == {"quasar"}


def test_one_ramp_that_fails_does_not_keep_the_others(cast: Cast) -> None:
    broken, sound = started(cast), rollout.stage(name="beta")
    with at(0):
        begun(cast, sound, "three", "four")
    bad = [{"percent": 10, "for": "2h"}, {"percent": -5, "for": "2h"}]
    Ramp.objects.filter(release__stage=broken).update(steps=bad)
    assert look(2) == 1
    assert shares(broken)["two"] == ("candidate", 10)
    assert shares(sound)["four"] == ("candidate", 50)


def test_nothing_ramps_is_one_look_at_the_rows(cast: Cast, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(3):
        assert advance_ramps() == 0
