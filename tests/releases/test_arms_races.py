"""Arms and shares under many hands, many beats and kill -9, on real connections."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.db import IntegrityError, transaction

from infra import audit, clock
from infra.actors import system
from infra.errors import DomainError, PromotionBlocked
from infra.models import AuditEntry
from releases.evidence import _standing_sources
from releases.models import Approval, Guardrail, Hold, Promotion, Ramp, Release, ShareChange, Stage
from releases.services import guardrails, promotions, ramps
from releases.services.releases import demote_release, halt_release, resume_release, roll_back
from releases.states import PromotionState
from tests import builders
from tests.builders import NOW, Cast
from tests.conftest import database_url
from tests.releases import live, rollout, story
from tests.releases.kills import Copies, killed_at
from tests.releases.rollout import begun, candidate, incumbent, shares
from tests.releases.test_promotions_races import at_once

ARMS = """
SELECT stage_id::text, size, count(*) FILTER (WHERE arm = 'incumbent'),
    count(*) FILTER (WHERE arm = 'candidate'), sum(share)
FROM release WHERE ended_at IS NULL GROUP BY stage_id, size
"""
LATER = NOW + timedelta(hours=2)


@pytest.fixture
def told(settings: Any) -> Iterator[dict[str, Any]]:
    """What the source of live evidence says."""
    settings.EVIDENCE_SOURCES = [live.SOURCE, *settings.EVIDENCE_SOURCES]
    _standing_sources.cache_clear()
    live.Told.says = {}
    yield live.Told.says
    _standing_sources.cache_clear()


@contextmanager
def watched_by_a_reader(places: int) -> Iterator[Counter[tuple[int, int]]]:
    """Arms are polled throughout; every state of a place that was seen, with its count.

    Fails where a place had no incumbent or two, two candidates, or shares that are not 100.
    """
    seen: Counter[tuple[int, int]] = Counter()
    wrong: list[Any] = []
    stop = threading.Event()

    def poll() -> None:
        with psycopg.connect(database_url("app"), autocommit=True) as reader:
            while not stop.is_set():
                rows = reader.execute(ARMS).fetchall()
                wrong.extend(row for row in rows if row[2] != 1 or row[3] > 1 or row[4] != 100)
                if len(rows) != places:
                    wrong.append(rows)
                seen.update((row[2], row[3]) for row in rows)

    thread = threading.Thread(target=poll)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join(timeout=30)
    assert wrong == []


def ready_beside(cast: Cast, to: Stage, name: str) -> Promotion:
    """A promotion that everything admits, not yet executed."""
    promotion = story.requested(cast.release_manager, rollout.named(name), to)
    promotions.answer_gate(
        actor=cast.engineer, promotion=promotion, gate_id="manual-1", yes=True, comment="Good."
    )
    Approval.objects.create(
        promotion=promotion,
        person_id=cast.second_release_manager.person_id,
        vote="approve",
        groups=["release-managers"],
        evidence_hash=promotion.evaluations.first().evidence_hash,
        voted_at=clock.now(),
    )
    found = promotions.evaluate_promotion(actor=system("test"), promotion=promotion)
    assert found.state == PromotionState.APPROVED
    return found


def ramping(cast: Cast, **settings: Any) -> Stage:
    """`two` began its ramp beside `one` at NOW."""
    to = rollout.stage(**settings)
    with clock.frozen_at(NOW):
        begun(cast, to, "one", "two")
    return to


@pytest.mark.long
def test_a_reader_never_sees_an_arm_empty_doubled_or_shares_that_do_not_add_up(
    committed_db: str,
) -> None:
    cast = builders.cast()
    to = rollout.stage()
    begun(cast, to, "one")
    manager = cast.release_manager
    with watched_by_a_reader(places=1) as seen:
        for turn in range(3):
            begun(cast, to, f"two-{turn}")
            for hours in (2, 9, 14):
                assert ramps.advance_ramps(clock.now() + timedelta(hours=hours)) == 1
            begun(cast, to, f"three-{turn}")
            halt_release(actor=manager, release=candidate(to), reason="odd")
            resume_release(actor=manager, release=candidate(to), reason="fine")
            roll_back(actor=manager, stage=to, size="nano", reason="errors")
            begun(cast, to, f"four-{turn}")
            demote_release(actor=manager, release=candidate(to), reason="not good")
            begun(cast, to, f"five-{turn}")
            demote_release(actor=manager, release=incumbent(to), reason="leaks")
    assert min(seen[1, 0], seen[1, 1]) > 20, "the reader has to see both"


def test_the_database_itself_refuses_shares_that_do_not_add_up(committed_db: str) -> None:
    to = ramping(builders.cast())
    with pytest.raises(IntegrityError, match="add up to 190 percent"), transaction.atomic():
        Release.objects.filter(pk=candidate(to).pk).update(share=100)
    assert shares(to) == {"one": ("incumbent", 90), "two": ("candidate", 10)}


def one_winner(of_first: list[Any], of_second: list[Any]) -> str:
    """The code of the refusal that every call of the loser met; the winner's calls agree."""
    by_kind = [(set(map(_told, found))) for found in (of_first, of_second)]
    winner, loser = sorted(by_kind, key=lambda found: not any("-" in told for told in found))
    assert len(winner) == len(loser) == 1, by_kind
    return loser.pop()


def _told(result: Any) -> str:
    """The id of the release, or the codes of the refusal."""
    if isinstance(result, Release):
        return str(result.pk)
    assert isinstance(result, PromotionBlocked), result
    return ",".join(reason.code for reason in result.reasons)


@pytest.mark.long
@pytest.mark.parametrize("turn", [0, 1])
def test_fifty_promotes_of_two_checkpoints_give_one_winner_and_one_conflict(
    committed_db: str, turn: int
) -> None:
    cast = builders.cast()
    to = rollout.stage()
    begun(cast, to, "one")
    rivals = [ready_beside(cast, to, "two"), ready_beside(cast, to, "three")]

    def execute(promotion: Promotion) -> Callable[[], Any]:
        return lambda: promotions.execute_promotion(actor=system("test"), promotion=promotion)

    with watched_by_a_reader(places=1) as seen:
        found = at_once(*(execute(rivals[(n + turn) % 2]) for n in range(50)))
    assert seen
    assert one_winner(found[0::2], found[1::2]) in ("ramp_running", "promotion_ended")
    states = Counter(Promotion.objects.values_list("state", flat=True))
    assert states["promoted"] == 2, "the incumbent's and the winner's"
    assert shares(to)["one"] == ("incumbent", 90) and len(shares(to)) == 2
    assert Ramp.objects.count() == 1
    assert AuditEntry.objects.filter(action="promotion.promoted").count() == 2
    assert audit.verify().problem is None


@pytest.mark.long
def test_fifty_promotes_into_a_stage_without_a_ramp_leave_the_one_requested_later(
    committed_db: str,
) -> None:
    cast = builders.cast()
    to = story.stage(story.MANUAL)
    begun(cast, to, "one")
    rivals = [ready_beside(cast, to, "two"), ready_beside(cast, to, "three")]

    def execute(promotion: Promotion) -> Callable[[], Any]:
        return lambda: promotions.execute_promotion(actor=system("test"), promotion=promotion)

    with watched_by_a_reader(places=1) as seen:
        found = at_once(*(execute(rivals[n % 2]) for n in range(50)))
    assert set(seen) == {(1, 0)}
    assert one_winner(found[0::2], found[1::2]) == "promotion_ended"
    assert shares(to) == {"three": ("incumbent", 100)}
    assert Release.objects.filter(checkpoint__name="two").count() == 0
    older = Promotion.objects.get(checkpoint__name="two")
    assert older.state == PromotionState.SUPERSEDED and older.superseded_by == rivals[1]
    assert AuditEntry.objects.filter(action="promotion.promoted").count() == 2
    assert audit.verify().problem is None


@pytest.mark.long
def test_two_looks_at_once_move_a_ramp_one_step(committed_db: str) -> None:
    to = ramping(builders.cast())
    assert sum(at_once(*[lambda: ramps.advance_ramps(LATER)] * 6)) == 1
    assert shares(to)["two"] == ("candidate", 50)
    row, later = Ramp.objects.get(), LATER + timedelta(hours=6)
    step = [lambda: ramps._step(row.pk, to.pk, later)] * 6
    assert sorted(at_once(*step)) == [False] * 5 + [True], "the rows alone keep it at one"
    assert shares(to)["two"] == ("candidate", 90)
    assert AuditEntry.objects.filter(action="ramp.stepped").count() == 2


@pytest.mark.long
def test_the_last_step_at_once_with_a_roll_back_leaves_one_of_the_two(committed_db: str) -> None:
    cast = builders.cast()
    to = ramping(cast)
    assert ramps.advance_ramps(NOW + timedelta(hours=9)) == 1
    end = NOW + timedelta(hours=14)

    def back() -> Any:
        return roll_back(actor=cast.release_manager, stage=to, size="nano", reason="errors")

    with watched_by_a_reader(places=1):
        found = at_once(lambda: ramps.advance_ramps(end), back)
    assert not any(isinstance(result, DomainError) for result in found)
    assert shares(to) == {"one": ("incumbent", 100)}
    assert Hold.objects.get().checkpoint.name == "two"


@pytest.mark.long
def test_two_looks_at_once_fire_a_guardrail_once(committed_db: str, told: dict[str, Any]) -> None:
    to = ramping(builders.cast(), guardrails=[live.RATIO])
    told["error_rate"] = live.HARM
    (release,) = guardrails.watched()
    looks = [lambda: guardrails._look(release, LATER)] * 4
    fired = at_once(*looks, *[lambda: guardrails.watch_guardrails(LATER)] * 4)
    assert sum(fired) == 1
    assert candidate(to).state == "halted" and Hold.objects.count() == 1
    for action in ("guardrail.fired", "release.halted", "ramp.stopped", "hold.placed"):
        assert AuditEntry.objects.filter(action=action).count() == 1, action


def ends() -> dict[str, Any]:
    """Everything that a resumed process has to agree about with one that was never killed."""
    told = AuditEntry.objects.exclude(action="promotion.evaluated")
    return {
        "releases": sorted(
            Release.objects.values_list(
                "checkpoint__name", "arm", "share", "state", "verified", "end_reason"
            )
        ),
        "shares": sorted(ShareChange.objects.values_list("release__checkpoint__name", "share")),
        "promotions": sorted(Promotion.objects.values_list("checkpoint__name", "state")),
        "ramps": sorted(Ramp.objects.values_list("state", "step", "release__checkpoint__name")),
        "guardrails": sorted(Guardrail.objects.values_list("guardrail_id", "watch")),
        "holds": sorted(Hold.objects.values_list("checkpoint__name", "reason")),
        "audit": sorted(Counter(told.values_list("action", flat=True)).items()),
        "chain": audit.verify().problem,
    }


def survives(
    original: str,
    work: Callable[[], Any],
    checked: Callable[[], None],
    *,
    statements: bool,
    every: int = 1,
) -> int:
    """Kill the work at every point, or every n-th, let it be done again; how many it has.

    The end is the same as of work that nobody killed, wherever the kill came.
    """
    copies = Copies(original)
    try:
        copies.use_new()
        work()
        checked()
        expected = ends()
        point = 1
        copies.use_new()
        before = ends()
        while killed_at(point, work, statements=statements):
            after = ends()
            assert after in (before, expected), f"half done at {point}: {after}"
            work()
            assert ends() == expected, f"killed at {point}"
            point += every
            copies.use_new()
        assert ends() == expected, "the work that nobody killed at last"
        return point - 1
    finally:
        copies.drop()


def promotion_to_resume(committed_db: str) -> Callable[[], Any]:
    cast = builders.cast()
    to = rollout.stage(guardrails=[live.RATIO])
    begun(cast, to, "one")
    ready_beside(cast, to, "two")
    return promotions.advance_promotions


def candidate_is_live() -> None:
    to = Stage.objects.get()
    assert shares(to) == {"one": ("incumbent", 90), "two": ("candidate", 10)}


def step_to_resume(committed_db: str) -> Callable[[], Any]:
    ramping(builders.cast())
    return lambda: ramps.advance_ramps(LATER)


def step_was_made() -> None:
    assert shares(Stage.objects.get())["two"] == ("candidate", 50)


def end_to_resume(committed_db: str) -> Callable[[], Any]:
    ramping(builders.cast())
    return lambda: ramps.advance_ramps(NOW + timedelta(hours=30))


def candidate_took_over() -> None:
    assert shares(Stage.objects.get()) == {"two": ("incumbent", 100)}


def harm_to_resume(committed_db: str) -> Callable[[], Any]:
    ramping(builders.cast(), guardrails=[{**live.RATIO, "action": "rollback"}])
    live.Told.says["error_rate"] = live.HARM
    return lambda: guardrails.watch_guardrails(LATER)


def candidate_was_rolled_back() -> None:
    assert shares(Stage.objects.get()) == {"one": ("incumbent", 100)}


STORIES = {
    "promotion": (promotion_to_resume, candidate_is_live),
    "step": (step_to_resume, step_was_made),
    "last step": (end_to_resume, candidate_took_over),
    "guardrail": (harm_to_resume, candidate_was_rolled_back),
}


@pytest.mark.parametrize(
    "name",
    [
        name if name == "promotion" else pytest.param(name, marks=pytest.mark.long)
        for name in STORIES
    ],
)
def test_a_kill_at_any_commit_is_resumed_to_the_same_end(
    committed_db: str, told: dict[str, Any], name: str
) -> None:
    prepare, checked = STORIES[name]
    n_points = survives(committed_db, prepare(committed_db), checked, statements=False)
    assert n_points >= 2, "at least one commit, before and after"


@pytest.mark.long
@pytest.mark.parametrize("name", STORIES)
def test_a_kill_at_any_statement_is_resumed_to_the_same_end(
    committed_db: str, told: dict[str, Any], name: str
) -> None:
    prepare, checked = STORIES[name]
    n_points = survives(committed_db, prepare(committed_db), checked, statements=True)
    assert n_points > 20
