"""The stopped line and sets of sizes against everything else at once, on real connections."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from threading import Event
from typing import Any

import pytest
from django.db import connections, transaction

from infra import audit, clock
from infra.actors import system
from infra.errors import DomainError, PromotionBlocked
from infra.models import User
from infra.people import actor_of_login
from infra.roles import Role
from releases.digests import sha256_of
from releases.models import Approval, Checkpoint, LineStop, Promotion, Release, ShareChange, Stage
from releases.services import holds, line, promotions, ramps, rejections
from releases.states import PromotionState
from tests import builders
from tests.builders import Cast
from tests.releases import rollout, story
from tests.releases.test_arms_races import survives
from tests.releases.test_promotions_races import at_once

STAGES = ("alpha", "beta", "gamma", "delta")
SIZES = ("nano", "mini", "small", "standard")
AT_MOST_S = 2.0


@contextmanager
def in_background(*calls: Callable[[], Any]) -> Iterator[list[Any]]:
    """Calls that run while the block does; their results or refusals once it is left."""

    def run(call: Callable[[], Any]) -> Any:
        try:
            return call()
        except DomainError as refusal:
            return refusal
        finally:
            connections.close_all()

    found: list[Any] = []
    with ThreadPoolExecutor(len(calls)) as pool:
        futures = [pool.submit(run, call) for call in calls]
        yield found
        found += [future.result(timeout=60) for future in futures]


def queued(cast: Cast, to: Stage, *asked: Checkpoint) -> list[Promotion]:
    """A promotion of each, which everything admits and nobody has executed yet."""
    waiting = [story.requested(cast.release_manager, made, to) for made in asked]
    hold = holds.place_hold(actor=cast.engineer, stage=to, reason="until all are there")
    for promotion in waiting:
        promotions.answer_gate(
            actor=cast.engineer, promotion=promotion, gate_id="manual-1", yes=True, comment="Good."
        )
    holds.lift_hold(actor=cast.engineer, hold=hold, reason="all are there")
    return waiting


def stage(name: str) -> Stage:
    return story.stage(story.MANUAL, name=name, approvals={"required": 0, "groups": []})


def full_queue(cast: Cast) -> list[Promotion]:
    """A promotion for every size of every stage; each may execute at any moment."""
    waiting = []
    for name in STAGES:
        made = [
            builders.checkpoint(
                f"chat-{size}-{name}", size=size, checkpoint_digest=sha256_of([name, size])
            )
            for size in SIZES
        ]
        waiting += queued(cast, stage(name), *made)
    assert not Release.objects.filter(stage__name__in=STAGES).exists()
    return waiting


def execute_in_turn(waiting: list[Promotion]) -> int:
    """How many of them became releases."""
    n_done = 0
    for promotion in waiting:
        try:
            promotions.execute_promotion(actor=system("test"), promotion=promotion)
            n_done += 1
        except PromotionBlocked as refusal:
            assert [reason.code for reason in refusal.reasons] == ["line_stopped"]
    return n_done


@pytest.mark.long
def test_nothing_executes_once_a_stop_has_committed(committed_db: str) -> None:
    cast = builders.cast()
    waiting = full_queue(cast)
    n_each = len(waiting) // 4
    parts = [waiting[n : n + n_each] for n in range(0, len(waiting), n_each)]
    calls = [lambda part=part: execute_in_turn(part) for part in parts]
    with in_background(*calls, promotions.advance_promotions) as found:
        until = time.monotonic() + 30
        while Release.objects.count() < 2 and time.monotonic() < until:
            time.sleep(0.005)
        clicked = time.monotonic()
        line.stop_the_line(actor=cast.release_manager, reason="odd answers")
        took_s = time.monotonic() - clicked
        n_at_stop = Release.objects.count()
    assert not [result for result in found if isinstance(result, Exception)]
    assert took_s < AT_MOST_S
    assert 2 <= n_at_stop < len(waiting), "the stop came while the queue was moving"
    assert Release.objects.count() == n_at_stop
    assert promotions.advance_promotions() == 0
    assert Promotion.objects.filter(state=PromotionState.PROMOTED.value).count() == n_at_stop
    assert audit.verify().problem is None


@pytest.mark.long
def test_a_stop_waits_for_the_move_that_is_being_made(committed_db: str) -> None:
    cast = builders.cast()
    to = story.stage(story.MANUAL)
    moving, stopping, may_end = Event(), Event(), Event()

    def move() -> float:
        with transaction.atomic():
            line.take_the_line([to.pk])
            moving.set()
            assert may_end.wait(30)
            ended = time.monotonic()
        return ended

    def stop() -> float:
        assert moving.wait(30)
        stopping.set()
        line.stop_the_line(actor=cast.release_manager, reason="odd answers")
        return time.monotonic()

    with in_background(move, stop) as found:
        assert stopping.wait(30)
        time.sleep(0.2)
        assert not LineStop.objects.exists()
        may_end.set()
    assert found[0] < found[1]
    assert LineStop.objects.count() == 1


@pytest.mark.long
def test_no_ramp_step_is_made_once_a_stop_has_committed(committed_db: str) -> None:
    cast = builders.cast()
    with clock.frozen_at(builders.NOW):
        to = rollout.stage()
        rollout.begun(cast, to, "one", "two")
    due = builders.NOW + timedelta(hours=3)

    def stop() -> Any:
        return line.stop_the_line(actor=cast.release_manager, reason="odd answers")

    def step() -> int:
        return ramps.advance_ramps(due)

    _, *stepped = at_once(stop, step, step)
    n_at_stop = ShareChange.objects.count()
    assert ramps.advance_ramps(due + timedelta(hours=9)) == 0
    assert ShareChange.objects.count() == n_at_stop
    before = ("candidate", 10)
    assert rollout.shares(to)["two"] == (("candidate", 50) if sum(stepped) else before)


def test_many_hands_stop_the_line_once_and_two_humans_start_it_once(committed_db: str) -> None:
    cast = builders.cast()
    twin = other_login_of(cast)
    managers = (cast.release_manager, cast.second_release_manager, twin)
    stops = [lambda a=a: line.stop_the_line(actor=a, reason="odd answers") for a in managers * 2]
    found = at_once(*stops)
    assert sum(isinstance(result, LineStop) for result in found) == 1
    line.ask_to_start_the_line(actor=cast.release_manager, reason="understood")
    same_human = [lambda a=a: line.confirm_start(actor=a) for a in (cast.release_manager, twin) * 3]
    refused = at_once(*same_human)
    assert {getattr(result, "code", "started") for result in refused} == {"second_person_required"}
    confirmed = at_once(
        *[lambda: line.confirm_start(actor=cast.second_release_manager) for _ in range(4)]
    )
    assert sum(isinstance(result, LineStop) for result in confirmed) == 1
    assert LineStop.objects.get().lifted_by_id == cast.second_release_manager.person_id


def other_login_of(cast: Cast) -> Any:
    """A second login of the release manager."""
    first = User.objects.get(username="release_manager")
    return actor_of_login(
        builders.login("release_manager_oidc", Role.RELEASE_MANAGER, person=first.person)
    )


@pytest.mark.long
def test_a_rejection_at_once_with_executions_leaves_the_checkpoint_nowhere(
    committed_db: str,
) -> None:
    cast = builders.cast()
    made = builders.checkpoint("chat-nano-2", checkpoint_digest=sha256_of("two"))
    waiting = [promotion for name in STAGES for promotion in queued(cast, stage(name), made)]

    def reject() -> Any:
        return rejections.reject_checkpoint(
            actor=cast.release_manager, checkpoint=made, reason="odd answers"
        )

    executions = [
        lambda p=p: promotions.execute_promotion(actor=system("test"), promotion=p) for p in waiting
    ]
    found = at_once(reject, *executions, promotions.advance_promotions)
    assert not isinstance(found[0], DomainError)
    assert not Release.objects.filter(ended_at__isnull=True).exists()
    assert not Promotion.objects.exclude(state__in=["rejected", "promoted"]).exists()


def set_to_resume() -> Callable[[], Any]:
    """Three sizes that everything admits, not yet moved."""
    cast = builders.cast()
    to = story.stage(story.MANUAL)
    members = promotions.request_set(
        actor=cast.release_manager,
        checkpoints=[
            builders.checkpoint(f"chat-{size}-2", size=size, checkpoint_digest=sha256_of(size))
            for size in SIZES[:3]
        ],
        stage=to,
        reason="better in all sizes",
    )
    for member in members:
        promotions.answer_gate(
            actor=cast.engineer, promotion=member, gate_id="manual-1", yes=True, comment="Good."
        )
        newest = member.evaluations.first()
        assert newest is not None
        Approval.objects.create(
            promotion=member,
            person_id=cast.second_release_manager.person_id,
            vote="approve",
            groups=["release-managers"],
            evidence_hash=newest.evidence_hash,
            voted_at=builders.NOW,
        )
    for member in members * 2:
        # Each is judged on what is known of the others, so the first ones once more.
        promotions.evaluate_promotion(actor=system("test"), promotion=member)
    assert {row.state for row in Promotion.objects.all()} == {PromotionState.APPROVED}
    first = members[0]
    return lambda: promotions.execute_promotion(actor=system("test"), promotion=first)


def all_sizes_are_live() -> None:
    live = Release.objects.filter(stage=Stage.objects.get(), ended_at__isnull=True)
    assert sorted(live.values_list("size", flat=True)) == sorted(SIZES[:3])


def all_or_nothing() -> None:
    assert Release.objects.count() in (0, 3)


@pytest.mark.long
def test_a_set_moves_whole_or_not_at_all_wherever_it_is_killed(committed_db: str) -> None:
    work = set_to_resume()
    all_or_nothing()
    assert survives(committed_db, work, all_sizes_are_live, statements=False) >= 2


@pytest.mark.long
def test_a_set_moves_whole_or_not_at_all_whichever_statement_it_is_killed_at(
    committed_db: str,
) -> None:
    work = set_to_resume()
    assert survives(committed_db, work, all_sizes_are_live, statements=True, every=7) > 20


@pytest.mark.long
def test_members_of_a_set_executed_at_once_become_one_release_each(committed_db: str) -> None:
    set_to_resume()
    executions = [
        lambda p=p: promotions.execute_promotion(actor=system("test"), promotion=p)
        for p in Promotion.objects.all()
    ]
    found = at_once(*executions, promotions.advance_promotions)
    assert not [result for result in found if isinstance(result, DomainError)]
    all_sizes_are_live()
    assert Release.objects.count() == 3
