"""What replays tell the gate and the ledger, from a real run to a real promotion."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from evals.catalogues import catalogue_of
from evals.evidence import EvalEvidence
from evals.models import Run
from evals.replay_evidence import ReplayEvidence
from evals.services import live_replays, replays
from infra import clock
from releases.evidence import gather_all, recordable
from releases.gates.contract import Evidence, Gate, Subject, Verdict
from releases.gates.judgement import judge_gate
from releases.gates.registry import kinds
from releases.models import Forecast, ForecastObservation
from releases.selectors import forecasts as ledger
from releases.services import forecasts
from releases.states import Outcome
from tests.alpha.traffic import caller
from tests.evals import builders as evals
from tests.evals.replays.world import PARTNERS, World, catalogue, mode, user
from tests.evals.upstream import Upstream
from tests.releases import story

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(upstream: Upstream) -> World:
    return World(upstream.base_url)


def subject(world: World) -> Subject:
    return Subject(
        promotion_id=None,
        checkpoint_id=str(world.new.pk),
        checkpoint_digest=world.new.checkpoint_digest,
        family="chat",
        size="nano",
        stage_id=str(world.stage.pk),
        stage=world.stage.name,
        pipeline_id=str(world.stage.pipeline_id),
    )


def gathered(world: World, **options: Any) -> Evidence:
    gate = Gate(id="replay-1", kind="replay", options=options)
    return recordable(ReplayEvidence().gather(gate, subject(world), clock.now()))


def judged(world: World, **options: Any) -> Verdict:
    gate = Gate(id="replay-1", kind="replay", options=options)
    return judge_gate(gate, gathered(world, **options), clock.now(), kinds())


def replayed(world: World, n: int = 20, n_bad: int = 0, name: str = "real") -> Run:
    """A replay of `n` conversations of each partner, `n_bad` of which loop."""
    world.talk(n - n_bad)
    world.talk(n_bad, "loop {}")
    return world.replayed(world.drawn(name), world.new)


def test_a_replay_without_the_mode_passes_and_says_what_it_saw(world: World) -> None:
    run = replayed(world, 24)
    verdict = judged(world, at_most=0.1)
    assert verdict.outcome is Outcome.PASS
    assert "loops: predicted in 0% of conversations (95% CI 0.." in verdict.sentence
    found = gathered(world, at_most=0.1)
    assert found.observed is not None
    assert found.observed["run_id"] == str(run.pk)
    assert found.observed["conversations"]["graded"] == 120
    assert found.url == f"/console/replays/{run.pk}/"
    assert set(found.inputs) == {"checkpoint", "suite real", "graders of real"}


def test_a_mode_beyond_its_limit_blocks(world: World) -> None:
    replayed(world, 20, n_bad=10)
    verdict = judged(world, at_most=0.9, modes={"loops": 0.05})
    assert (verdict.outcome, verdict.code) == (Outcome.FAIL, "beyond_limit")


def test_too_few_conversations_hold(world: World) -> None:
    replayed(world, 4)
    verdict = judged(world, at_most=0.1)
    assert (verdict.outcome, verdict.code) == (Outcome.INCONCLUSIVE, "too_few_conversations")


def test_without_a_replay_the_command_is_told(world: World) -> None:
    assert "`manage.py replay start SET chat-nano-2`" in gathered(world, at_most=0.1).missing
    assert judged(world, at_most=0.1).outcome is Outcome.INCONCLUSIVE
    assert "no replay set 'other'" in gathered(world, at_most=0.1, set="other").missing


@pytest.mark.long
def test_a_named_set_is_the_one_that_counts(world: World) -> None:
    replayed(world, 20, n_bad=10, name="first")
    made = replays.import_set(
        actor=world.cast.eval_owner,
        name="second",
        lines=['{"messages": [{"role": "user", "content": "hi"}]}'],
        catalogue=catalogue(),
    )
    world.replayed(made, world.new)
    newest = gathered(world, at_most=0.1).observed
    named = gathered(world, at_most=0.1, set="first").observed
    pinned = gathered(world, at_most=0.1, set="first@1").observed
    assert newest is not None and named is not None and pinned is not None
    assert (newest["set"], named["set"], pinned["set"]) == ("second@1", "first@1", "first@1")


def test_a_mode_that_no_set_has_is_an_error(world: World) -> None:
    replayed(world, 20)
    assert judged(world, modes={"snores": 0.1}).outcome is Outcome.ERROR


def test_the_settings_lead_every_kind_to_its_source(world: World) -> None:
    gates = [Gate(id="r", kind="replay", options={"at_most": 0.1})]
    [fact] = gather_all(gates, subject(world), clock.now())
    assert "has no completed replay" in fact.evidence.missing
    assert "replay" not in EvalEvidence.kinds


def live(world: World, n: int, n_bad: int, since: Any) -> None:
    """What the new checkpoint replied in its stage, graded as it was given."""
    release = world.new.releases.get(stage__name="production")
    world.callers = {name: caller(f"{name}-2", release.stage) for name in PARTNERS}
    for name in PARTNERS:
        world.consent(world.callers[name])
        for number in range(n):
            reply = "a loop" if number < n_bad else "fine"
            world.said(name, [user("x")], reply, release=release, at=since + timedelta(minutes=1))
    made = replays.draw_set(
        actor=world.cast.eval_owner,
        name="live",
        stage=release.stage,
        sampling=replays.Sampling(since=since, until=since + timedelta(hours=1)),
        catalogue=catalogue(),
        checkpoint=world.new,
    )
    run = replays.grade_recorded(
        actor=world.cast.engineer, replay_set=made.replay_set, checkpoint=world.new
    )
    assert evals.execute(run).state == "completed"


def test_a_promotion_predicts_its_failure_modes_and_the_stage_answers(world: World) -> None:
    replayed(world, 20, n_bad=2)
    stage = story.stage(story.MANUAL, name="production")
    promotion = story.promoted(world.cast, world.new, stage)
    rows = {row.name: row for row in Forecast.objects.filter(promotion=promotion)}
    assert set(rows) == {"loops", "swears"}
    assert rows["loops"].predicted == pytest.approx(0.1)
    assert (rows["loops"].kind, rows["loops"].n) == ("failure_mode", 100)
    assert forecasts.observe_due() == 0, "nothing was graded there yet"
    release = promotion.releases.get()
    live(world, 30, 6, release.started_at)
    assert forecasts.observe_due() == 2
    assert forecasts.observe_due() == 0
    seen = ForecastObservation.objects.get(forecast=rows["loops"])
    assert (seen.observed, seen.n) == (pytest.approx(0.2), 150)
    assert seen.factor == pytest.approx(2)
    [score] = ledger.ledger()
    assert (score["kind"], score["n"], score["n_promotions"]) == ("failure_mode", 2, 1)


@pytest.mark.long
def test_another_catalogue_observes_nothing(world: World) -> None:
    world.talk(20)
    changed = catalogue(mode("loops", "another pattern"))
    made = world.drawn(catalogue=changed)
    world.replayed(made, world.new)
    stage = story.stage(story.MANUAL, name="production")
    promotion = story.promoted(world.cast, world.new, stage)
    live(world, 30, 6, promotion.releases.get().started_at)
    assert forecasts.observe_due() == 0


def said_live(world: World, promotion: Any, n: int) -> None:
    """`n` kept replies of each partner in the stage that the promotion led to."""
    release = promotion.releases.get()
    world.callers = {name: caller(f"{name}-2", release.stage) for name in PARTNERS}
    for who in world.callers.values():
        world.consent(who)
    for name in PARTNERS:
        for number in range(n):
            world.said(name, [user("x")], "a loop" if number < 6 else "fine", release=release,
                       at=clock.now())  # fmt: skip


@pytest.mark.long
def test_replies_of_the_stage_are_graded_by_themselves_once(
    world: World, upstream: Upstream
) -> None:
    replayed(world, 20, n_bad=4)
    stage = story.stage(story.MANUAL, name="production")
    promotion = story.promoted(world.cast, world.new, stage)
    assert live_replays.grade_live_due() == 0, "nothing was replied yet"
    said_live(world, promotion, 30)
    later, n_calls = clock.now() + timedelta(minutes=1), upstream.n_calls
    assert live_replays.grade_live_due(later) == 1
    assert live_replays.grade_live_due(later) == 0
    run = Run.objects.get(source="recorded")
    assert evals.execute(run).state == "completed" and upstream.n_calls == n_calls
    assert forecasts.observe_due(later) == 2
    seen = ForecastObservation.objects.get(forecast__name="loops")
    assert (seen.observed, seen.n, seen.agrees) == (pytest.approx(0.2), 150, True)


def test_graders_that_cost_are_left_to_a_person(world: World) -> None:
    world.talk(1)
    spec = {"type": "python", "source": "def grade(sample, item):\n    return 1.0\n"}
    said = {"sentence": "It fails.", "severity": "minor", "grader": spec}
    made = world.drawn(catalogue=catalogue_of({"modes": [{"mode": "code", **said}]}))
    assert live_replays._costs(made.replay_set)
    assert not live_replays._costs(world.drawn("plain").replay_set)
