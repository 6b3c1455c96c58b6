"""What live gates are told, from usage that was written as the gateway writes it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from alpha.evidence import LiveEvidence, live_evidence
from alpha.models import Feedback
from alpha.services.batches import close_batches
from alpha.services.feedback import bind_waiting
from releases.evidence import recordable
from releases.gates.contract import Evidence, Gate, Subject, Verdict
from releases.gates.guarding import watch
from releases.gates.judgement import judge_gate
from releases.gates.registry import kinds
from releases.models import Stage
from releases.states import Outcome, Watch
from tests import builders
from tests.alpha.traffic import FAILED, SINCE, Traffic, go_live, later, ship

pytestmark = pytest.mark.django_db
NOW = later(hours=1)


class Story:
    """A candidate beside an incumbent in closed-alpha, and a stage that comes after."""

    def __init__(self, *partners: str, share: int = 50) -> None:
        self.traffic = Traffic(*partners)
        self.candidate = self.traffic.begin(share)
        self.incumbent = self.traffic.incumbent
        after = {"all": [{"stage": "closed-alpha", "soak": "1h"}]}
        self.next = builders.stage("production", {"name": "production", "after": after})

    def subject(self, stage: Stage | None = None) -> Subject:
        new, at = self.traffic.new, stage or self.next
        return Subject(
            promotion_id=None,
            checkpoint_id=str(new.pk),
            checkpoint_digest=new.checkpoint_digest,
            family="chat",
            size="nano",
            stage_id=str(at.pk),
            stage=at.name,
            pipeline_id=str(at.pipeline_id),
        )

    def gather(self, kind: str, now: datetime = NOW, **options: Any) -> Evidence:
        gate = Gate(id=f"{kind}-1", kind=kind, options=options)
        return recordable(LiveEvidence().gather(gate, self.subject(), now))

    def judge(self, kind: str, now: datetime = NOW, **options: Any) -> Verdict:
        gate = Gate(id=f"{kind}-1", kind=kind, options=options)
        return judge_gate(gate, self.gather(kind, now, **options), now, kinds())

    def both(self, n: int, **fields: Any) -> list[dict[str, Any]]:
        """Calls of `n` new units in each arm."""
        calls = self.traffic.calls
        return calls(self.incumbent, n, **fields) + calls(self.candidate, n, **fields)


@pytest.fixture
def story() -> Story:
    return Story()


def served(story: Story, n_bad: int, rounds: int = 12, n: int = 30) -> None:
    """Rounds of `n` units an arm, of which the candidate fails `n_bad` and the incumbent 1."""
    for number in range(rounds):
        calls, name = story.traffic.calls, f"r{number}-"
        ship(
            calls(story.incumbent, n - 1, prefix=name)
            + calls(story.incumbent, 1, prefix=f"{name}x", **FAILED)
            + calls(story.candidate, n - n_bad, prefix=name)
            + calls(story.candidate, n_bad, prefix=f"{name}x", **FAILED)
        )
        close_batches(NOW - timedelta(minutes=50 - number))


def test_a_candidate_that_fails_more_is_found_out(story: Story) -> None:
    served(story, n_bad=9)
    found = story.gather("error_rate", ratio_at_most=2.0)
    assert found.observed is not None and found.live
    assert found.observed["strata"] == [[1, 30, 9, 30]] * 12
    assert found.observed["split"] == {"counts": [360, 360], "expected_share": [0.5, 0.5]}
    assert (found.observed["baseline_arm"], found.observed["unit"]) == ("chat-nano-1", "unit")
    assert found.observed["interval"]["lo"] > 2
    assert story.judge("error_rate", ratio_at_most=2.0).outcome is Outcome.FAIL


def test_a_candidate_that_fails_as_often_is_not_stopped(story: Story) -> None:
    served(story, n_bad=1, rounds=40)
    verdict = story.judge("error_rate", ratio_at_most=5.0)
    assert verdict.outcome is Outcome.PASS, verdict.sentence


def test_an_error_rate_is_held_to_a_bound(story: Story) -> None:
    served(story, n_bad=0, rounds=10)
    assert story.judge("error_rate", at_most=0.05).outcome is Outcome.PASS
    assert story.judge("error_rate", at_most=0.001).outcome is Outcome.INCONCLUSIVE


def test_a_request_counts_by_itself_where_it_is_asked_for(story: Story) -> None:
    served(story, n_bad=9)
    found = story.gather("error_rate", ratio_at_most=2.0, per="request")
    assert found.observed is not None and found.observed["unit"] == "request"
    verdict = story.judge("error_rate", ratio_at_most=2.0, per="request")
    assert verdict.outcome is Outcome.FAIL


def test_latency_is_held_to_what_the_incumbent_took_before(story: Story) -> None:
    before = [
        event
        for n in range(200)
        for event in story.traffic.calls(
            story.incumbent, 1, prefix=f"b{n}", at=SINCE - timedelta(hours=3), total_ms=float(n)
        )
    ]
    ship(before)
    close_batches(SINCE)
    calls = story.traffic.calls
    for number in range(15):
        ship(
            calls(story.incumbent, 30, prefix=f"r{number}-", total_ms=100.0)
            + calls(story.candidate, 15, prefix=f"r{number}-", total_ms=100.0)
            + calls(story.candidate, 15, prefix=f"s{number}-", total_ms=900.0)
        )
        close_batches(NOW)
    found = story.gather("latency", ratio_at_most=1.1)
    assert found.observed is not None and found.observed["threshold_ms"] == 189
    assert found.observed["strata"][0] == [0, 30, 15, 30]
    assert found.observed["quantiles"]["p50"][0] <= 900 <= found.observed["quantiles"]["p95"][1]
    assert story.judge("latency", ratio_at_most=1.1).outcome is Outcome.FAIL
    assert story.judge("latency", at_most_ms=1000).outcome is Outcome.PASS


def test_latency_waits_for_what_the_incumbent_took_before(story: Story) -> None:
    served(story, n_bad=0, rounds=1)
    verdict = story.judge("latency", ratio_at_most=1.1)
    assert verdict.outcome is Outcome.INCONCLUSIVE and "100 of its calls" in verdict.sentence


@pytest.mark.parametrize(("price", "outcome"), [(3.0, Outcome.FAIL), (1.0, Outcome.PASS)])
def test_cost_is_compared_within_each_partner(price: float, outcome: Outcome) -> None:
    story = Story("acme", "bell")
    for number in range(20):
        events = []
        for partner, n, cost in (("acme", 10, 100), ("bell", 30, 9000)):
            for release, factor in ((story.incumbent, 1.0), (story.candidate, price)):
                for jitter in (0.9, 1.0, 1.1):
                    micros = int(cost * factor * jitter)
                    told = {"partner": partner, "prefix": f"r{number}-{jitter}-"}
                    events += story.traffic.calls(release, n, **told, cost_micros=micros)
        ship(events)
        close_batches(NOW)
    found = story.gather("cost", ratio_at_most=1.5)
    assert found.observed is not None
    gap = found.observed["interval"]["estimate"]
    assert 2.718281828**gap == pytest.approx(price, rel=0.02)
    assert story.judge("cost", ratio_at_most=1.5).outcome is outcome
    assert story.judge("cost", at_most_micros=50_000).outcome is Outcome.PASS


def test_requests_that_all_cost_the_same_settle_their_gate() -> None:
    story = Story("acme")
    for number in range(8):
        for release in (story.incumbent, story.candidate):
            ship(story.traffic.calls(release, 50, prefix=f"r{number}-", cost_micros=42))
        close_batches(NOW)
    assert story.judge("cost", ratio_at_most=1.1).outcome is Outcome.PASS
    assert story.judge("cost", at_most_micros=41).outcome is Outcome.FAIL


def test_exposure_counts_answered_requests_of_this_stay() -> None:
    story = Story("acme", "bell")
    calls = story.traffic.calls
    ship(calls(story.candidate, 6) + calls(story.candidate, 4, partner="bell"))
    ship(calls(story.candidate, 5, prefix="bad", **FAILED))
    ship(calls(story.incumbent, 9))
    found = story.gather("exposure", partners=2)
    assert found.observed is not None
    assert found.observed["partners"] == [
        {"partner": "acme", "n_requests": 6},
        {"partner": "bell", "n_requests": 4},
    ]
    assert found.observed["days"] == 1
    assert story.judge("exposure", partners=2, requests=10).outcome is Outcome.PASS
    assert story.judge("exposure", partners=2, requests=11).outcome is Outcome.INCONCLUSIVE


def test_thumbs_down_are_compared_per_unit(story: Story) -> None:
    say = {"partner": story.traffic.callers["acme"].partner, "thumbs_up": False}
    for number in range(12):
        ids = ship(story.traffic.calls(story.candidate, 30, prefix=f"r{number}-"))
        ids = ids[:8] + ship(story.traffic.calls(story.incumbent, 30, prefix=f"r{number}-"))[:1]
        for request_id in ids:
            Feedback.objects.create(request_id=request_id, received_at=NOW, **say)
        bind_waiting()
        close_batches(NOW)
    assert (
        story.judge("feedback_rate", counts="thumbs_down", ratio_at_most=2.0).outcome
        is Outcome.FAIL
    )


def test_one_partners_bad_day_is_no_alarm() -> None:
    """Bell fails on both arms alike, and has most of its units on the candidate's."""
    story = Story("acme", "bell")
    calls = story.traffic.calls
    for number in range(25):
        name = f"r{number}-"
        events = calls(story.incumbent, 40, prefix=name) + calls(story.candidate, 10, prefix=name)
        for release, n in ((story.incumbent, 5), (story.candidate, 20)):
            events += calls(release, n, partner="bell", prefix=name)
            events += calls(release, n, partner="bell", prefix=f"{name}x", **FAILED)
        ship(events)
        close_batches(NOW)
    found = story.gather("error_rate", ratio_at_most=1.5)
    assert found.observed is not None
    x0, n0, x1, n1 = (sum(row[i] for row in found.observed["strata"]) for i in range(4))
    assert x1 / n1 > 3 * x0 / n0, "pooled, the candidate looks far worse"
    assert found.observed["interval"]["lo"] < 1 < found.observed["interval"]["hi"]


def test_a_restart_voids_what_was_seen_before(story: Story) -> None:
    served(story, n_bad=9)
    before = dict(story.gather("error_rate", ratio_at_most=2.0).inputs)
    candidate = story.candidate
    candidate.halted_at, candidate.ended_at = NOW, later(hours=2)
    candidate.state = "ended"
    candidate.save()
    gone = story.gather("error_rate", later(hours=2), ratio_at_most=2.0)
    assert gone.observed is None and "not live in closed-alpha now" in gone.missing
    go_live(story.traffic.new, story.traffic.stage, "candidate", 50, later(hours=3))
    again = story.gather("error_rate", later(hours=4), ratio_at_most=2.0)
    assert again.observed is not None and again.observed["strata"] == []
    assert again.observed["since"] == later(hours=3).isoformat()
    assert dict(again.inputs) != before
    exposure = story.gather("exposure", later(hours=4), requests=1)
    assert exposure.observed is not None and exposure.observed["n_requests"] == 0


def test_a_gate_reads_the_stage_that_it_names(story: Story) -> None:
    served(story, n_bad=9)
    builders.stage("open-alpha")
    named = story.gather("error_rate", ratio_at_most=2.0, stage="open-alpha")
    assert "not live in open-alpha now" in named.missing
    assert "no stage elsewhere" in story.gather("exposure", stage="elsewhere").problem


def test_without_an_incumbent_beside_there_is_nothing_to_compare_with() -> None:
    traffic = Traffic()
    gate = Gate(id="error_rate-1", kind="error_rate", options={"ratio_at_most": 2.0})
    found = live_evidence(gate.kind, gate.options, traffic.incumbent, NOW)
    assert found.observed is not None and found.observed["baseline_arm"] is None
    verdict = judge_gate(gate, recordable(found), NOW, kinds())
    assert (verdict.outcome, verdict.code) == (Outcome.INCONCLUSIVE, "no_baseline")


@pytest.mark.parametrize(("n_bad", "seen"), [(9, Watch.HARM), (0, Watch.SAFE)])
def test_a_guardrail_is_told_the_same(story: Story, n_bad: int, seen: Watch) -> None:
    served(story, n_bad=n_bad)
    options = {"ratio_at_most": 2.0}
    found = recordable(live_evidence("error_rate", options, story.candidate, NOW))
    assert found.observed == story.gather("error_rate", **options).observed
    look = watch("error_rate", options, found, NOW)
    assert look.watch is seen, look.sentence


def test_traffic_that_was_split_wrongly_is_not_judged() -> None:
    story = Story(share=10)
    served(story, n_bad=9)
    verdict = story.judge("error_rate", ratio_at_most=2.0)
    assert "traffic split" in verdict.sentence and verdict.outcome is not Outcome.FAIL
