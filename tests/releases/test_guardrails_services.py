"""Guardrails: what live numbers do to a candidate by themselves."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from infra import clock
from infra.models import AuditEntry
from releases.evidence import _standing_sources
from releases.models import Guardrail, Hold, Ramp, Release, Stage
from releases.services.guardrails import (
    SHIPPED_AFTER,
    count_exposed,
    looks_worse,
    something_moves,
    watch_guardrails,
)
from releases.services.line import stop_the_line
from releases.services.ramps import advance_ramps, end_ramp
from releases.services.releases import halt_release, resume_release
from releases.states import RampState, ReleaseState, Watch
from releases.tasks import watch
from tests import builders
from tests.builders import NOW, Cast
from tests.releases import live, rollout, story
from tests.releases.rollout import begun, candidate, incumbent, shares

pytestmark = pytest.mark.django_db
MONITORED = ({"percent": 10, "for": "2h", "monitored": True}, {"percent": 50, "for": "2h"})


@pytest.fixture
def cast() -> Cast:
    return builders.cast()


@pytest.fixture(autouse=True)
def told(settings: Any) -> Iterator[dict[str, Any]]:
    """What the source of live evidence says, by guardrail or kind."""
    settings.EVIDENCE_SOURCES = [live.SOURCE, *settings.EVIDENCE_SOURCES]
    _standing_sources.cache_clear()
    live.Told.says = {}
    live.Told.asked = []
    yield live.Told.says
    _standing_sources.cache_clear()


def started(cast: Cast, *rails: dict[str, Any], **settings: Any) -> Stage:
    """`two` has begun its ramp beside `one` at NOW, watched by one error rate by default."""
    settings.setdefault("ramp", rollout.STEPS)
    to = story.stage(story.MANUAL, guardrails=list(rails or [live.RATIO]), **settings)
    with clock.frozen_at(NOW):
        begun(cast, to, "one", "two")
    return to


def look(hours: float) -> int:
    with clock.frozen_at(NOW + timedelta(hours=hours)):
        return watch_guardrails()


def step(hours: float) -> int:
    with clock.frozen_at(NOW + timedelta(hours=hours)):
        return advance_ramps()


def rail() -> Guardrail:
    return Guardrail.objects.get()


def test_harm_halts_the_candidate_and_says_why(cast: Cast, told: dict[str, Any]) -> None:
    to = started(cast)
    told["error_rate"] = live.EARLY
    assert look(1) == 0
    assert (rail().watch, rail().n_looks) == (Watch.WATCHING, 1)
    told["error_rate"] = live.HARM
    assert look(1.1) == 1
    row = candidate(to)
    assert row.state == ReleaseState.HALTED and shares(to)["one"] == ("incumbent", 90)
    assert Ramp.objects.get().state == RampState.STOPPED
    assert (rail().watch, rail().fired_at) == (Watch.HARM, NOW + timedelta(hours=1.1))
    assert "stopped after 1,000 units" in rail().sentence and rail().observed == live.HARM
    hold = Hold.objects.get()
    assert hold.owner is None and hold.checkpoint.name == "two"
    assert hold.reason.startswith("Halted in chat/closed-alpha: error_rate-1: error rate: ")
    told_by = AuditEntry.objects.filter(actor_id="guardrails").values_list("action", flat=True)
    assert sorted(told_by) == ["guardrail.fired", "hold.placed", "ramp.stopped", "release.halted"]


def test_harm_rolls_back_where_the_policy_says_so(cast: Cast, told: dict[str, Any]) -> None:
    to = started(cast, {**live.RATIO, "action": "rollback"})
    told["error_rate"] = live.HARM
    assert look(1) == 1
    assert shares(to) == {"one": ("incumbent", 100)}
    ended = Release.objects.get(checkpoint__name="two")
    assert ended.end_reason == f"error_rate-1: {rail().sentence}"
    assert Hold.objects.get().checkpoint.name == "two"


def test_without_a_live_incumbent_a_roll_back_halts(cast: Cast, told: dict[str, Any]) -> None:
    to = started(cast, {**live.RATIO, "action": "rollback"})
    halt_release(actor=cast.release_manager, release=incumbent(to), reason="odd")
    told["error_rate"] = live.HARM
    assert look(1) == 1
    assert candidate(to).state == ReleaseState.HALTED


def test_of_two_that_fire_at_once_the_stronger_action_is_taken(
    cast: Cast, told: dict[str, Any]
) -> None:
    to = started(cast, {**live.RATIO, "id": "a"}, {**live.RATIO, "id": "b", "action": "rollback"})
    told["error_rate"] = live.HARM
    assert look(1) == 2
    assert shares(to) == {"one": ("incumbent", 100)}
    assert Hold.objects.count() == 1


def test_harm_is_sticky_and_fires_once(cast: Cast, told: dict[str, Any]) -> None:
    to = started(cast)
    told["error_rate"] = live.HARM
    assert [look(1), look(1.1)] == [1, 0]
    told["error_rate"] = live.SAFE
    look(1.2)
    assert (rail().watch, rail().n_looks) == (Watch.HARM, 1)
    assert AuditEntry.objects.filter(action="guardrail.fired").count() == 1
    assert Hold.objects.count() == 1
    assert candidate(to).state == ReleaseState.HALTED


def test_a_resumed_candidate_is_watched_anew_and_harm_stops_it_again(
    cast: Cast, told: dict[str, Any]
) -> None:
    to = started(cast)
    told["error_rate"] = live.HARM
    look(1)
    resume_release(actor=cast.release_manager, release=candidate(to), reason="fixed upstream")
    told["error_rate"] = live.EARLY
    assert look(2) == 0 and candidate(to).state == ReleaseState.LIVE
    told["error_rate"] = live.HARM
    assert look(3) == 1 and candidate(to).state == ReleaseState.HALTED
    assert Guardrail.objects.filter(fired_at__isnull=False).count() == 2


def test_a_stopped_line_and_a_hold_do_not_keep_a_guardrail_from_acting(
    cast: Cast, told: dict[str, Any]
) -> None:
    to = started(cast)
    stop_the_line(actor=cast.release_manager, reason="quiet day")
    told["error_rate"] = live.HARM
    assert look(1) == 1
    assert candidate(to).state == ReleaseState.HALTED


@pytest.mark.parametrize(
    "broken",
    [{"strata": "none"}, {"interval": {"lo": float("nan")}}, ValueError("no rows"), {}],
    ids=["shape", "nan", "source", "empty"],
)
def test_numbers_that_cannot_be_used_stop_forward_steps_and_never_serving(
    cast: Cast, told: dict[str, Any], broken: Any
) -> None:
    to = started(cast)
    told["error_rate"] = broken
    assert look(2) == 0 and rail().watch == Watch.INVALID
    assert step(2) == 0 and Ramp.objects.get().blocked_reason == rail().sentence
    assert candidate(to).state == ReleaseState.LIVE
    told["error_rate"] = live.EARLY
    look(2.1)
    assert step(2.1) == 1


def test_a_candidate_that_nobody_watches_does_not_grow(cast: Cast, told: dict[str, Any]) -> None:
    to = started(cast)
    told["error_rate"] = live.EARLY
    look(1)
    assert step(2) == 0 and "Nobody has looked" in Ramp.objects.get().blocked_reason
    look(2)
    assert step(2) == 1 and shares(to)["two"] == ("candidate", 50)


def test_a_monitored_step_goes_on_only_when_every_guardrail_is_safe(
    cast: Cast, told: dict[str, Any]
) -> None:
    to = started(cast, {**live.RATIO, "id": "a"}, {**live.RATIO, "id": "b"}, ramp=MONITORED)
    told.update(a=live.SAFE, b=live.EARLY)
    look(3)
    assert step(3) == 0
    told["b"] = live.SAFE
    look(3.1)
    assert step(3.1) == 1 and shares(to)["two"] == ("candidate", 50)


def test_a_held_back_candidate_is_watched_for_good(cast: Cast, told: dict[str, Any]) -> None:
    to = started(cast, ramp=[], holdback=10)
    told["error_rate"] = {"strata": "none"}
    look(1)
    with clock.frozen_at(NOW + timedelta(hours=1)), pytest.raises(Exception, match="can't be used"):
        end_ramp(actor=cast.release_manager, release=candidate(to), reason="good")
    told["error_rate"] = live.HARM
    assert look(900) == 1
    assert candidate(to).state == ReleaseState.HALTED


def test_sources_are_asked_about_the_stage_that_the_candidate_is_in(
    cast: Cast, told: dict[str, Any]
) -> None:
    to = started(cast, live.RATIO, {"kind": "cost", "ratio_at_most": 2.0, "action": "halt"})
    told.update(error_rate=live.EARLY, cost=None)
    look(1)
    gate, subject = live.Told.asked[0]
    assert (gate.options["stage"], subject.stage_id) == (to.name, str(to.pk))
    assert subject.checkpoint_id == str(candidate(to).checkpoint_id)
    assert gate.options["confidence"] == pytest.approx(0.975), "two share the risk of a false halt"


def test_the_task_looks_before_it_moves(cast: Cast, told: dict[str, Any]) -> None:
    to = started(cast)
    told["error_rate"] = live.HARM
    with clock.frozen_at(NOW + timedelta(hours=2)):
        watch()
    assert shares(to)["two"] == ("candidate", 10)
    assert candidate(to).state == ReleaseState.HALTED


def test_the_task_costs_one_query_while_nothing_moves(
    cast: Cast, django_assert_num_queries: Any
) -> None:
    to = rollout.stage()
    begun(cast, to, "one")
    with django_assert_num_queries(1):
        watch()


def test_what_met_the_harm_is_counted_once_the_events_have_come(
    cast: Cast, told: dict[str, Any], settings: Any
) -> None:
    settings.EXPOSURE_COUNTER = "tests.releases.live.served"
    started(cast)
    for hours, said in ((1, live.EARLY), (2, live.WORSE), (3, live.EARLY), (4, live.WORSE)):
        until = NOW + timedelta(hours=hours) - timedelta(minutes=10)
        told["error_rate"] = {**said, "until": until.isoformat()}
        look(hours)
    told["error_rate"] = live.HARM
    look(5)
    fired = NOW + timedelta(hours=5)
    assert (rail().worse_since, rail().n_exposed) == (NOW + timedelta(minutes=170), None)
    assert count_exposed(fired + SHIPPED_AFTER - timedelta(seconds=1)) == 0 and something_moves()
    assert count_exposed(fired + SHIPPED_AFTER) == 1
    assert rail().n_exposed == 130 * 60, "one a second from the last good batch until it fired"
    assert count_exposed(fired + SHIPPED_AFTER) == 0 and not something_moves()


@pytest.mark.parametrize(
    ("observed", "required", "expected"),
    [
        ({"x0": 1, "n0": 100, "x1": 3, "n1": 100}, {"ratio_at_most": 2.0}, True),
        ({"x0": 1, "n0": 100, "x1": 2, "n1": 100}, {"ratio_at_most": 2.0}, False),
        ({"x0": 0, "n0": 100, "x1": 1, "n1": 100}, {"ratio_at_most": 2.0}, True),
        ({"x0": 0, "n0": 100, "x1": 0, "n1": 100}, {"ratio_at_most": 2.0}, False),
        ({"x0": 0, "n0": 0, "x1": 5, "n1": 9}, {"ratio_at_most": 2.0}, False),
        ({"x": 3, "n": 100, "lo": 0.0, "hi": 0.1}, {"at_most": 0.02}, True),
        ({"x": 2, "n": 100, "lo": 0.0, "hi": 0.1}, {"at_most": 0.02}, False),
        ({"x": 0, "n": 0, "lo": 0.0, "hi": 1.0}, {"at_most": 0.02}, False),
        ({"n": 50, "mean": 12.0, "lo": 8.0}, {"at_most_micros": 10, "min_units": 5}, True),
        ({"n": 50, "mean": 9.0, "lo": 8.0}, {"at_most_micros": 10, "min_units": 5}, False),
        ({"n0": 50, "n1": 50, "lo": 1.1, "hi": 3.0}, {"ratio_at_most": 2.0}, True),
        ({"n0": 50, "n1": 50, "lo": 0.9, "hi": 3.0}, {"ratio_at_most": 2.0}, False),
        ({}, {}, False),
    ],
)
def test_numbers_look_worse_before_they_prove_it(
    observed: dict[str, Any], required: dict[str, Any], expected: bool
) -> None:
    assert looks_worse(observed, required) is expected
