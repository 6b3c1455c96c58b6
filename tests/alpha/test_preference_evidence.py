"""What the gate `preference` is told, and that its numbers can be made again."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest

from alpha.preference_evidence import PreferenceEvidence
from infra import clock
from releases.evidence import gather_all, recordable
from releases.gates.contract import Evidence, Gate, Subject, Verdict
from releases.gates.judgement import judge_gate
from releases.gates.registry import kinds
from releases.models import Checkpoint, Stage
from releases.states import Outcome
from tests import builders
from tests.alpha import votes
from tests.alpha.builders import release_of

pytestmark = pytest.mark.django_db
BETTER = [1.0, 1.0, 0.5, 1.0, 0.0, 1.0, 1.0, 1.0]


class Story:
    """A candidate to be judged against the incumbent of closed-alpha."""

    def __init__(self) -> None:
        self.incumbent = builders.checkpoint("chat-nano-1")
        self.candidate = builders.checkpoint("chat-nano-2")
        self.alpha, self.next = builders.stage("closed-alpha"), builders.stage("production")
        self.release = release_of(self.incumbent, self.alpha, since=builders.NOW)

    def subject(self, stage: Stage | None = None) -> Subject:
        new, at = self.candidate, stage or self.next
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

    def gate(self, **options: Any) -> Gate:
        options = {"baseline": {"stage": "closed-alpha"}, **options}
        return Gate(id="taste", kind="preference", options=options)

    def gather(self, **options: Any) -> Evidence:
        return recordable(
            PreferenceEvidence().gather(self.gate(**options), self.subject(), clock.now())
        )

    def judge(self, **options: Any) -> Verdict:
        gate, now = self.gate(**options), clock.now()
        (fact,) = gather_all([gate], self.subject(), now)
        return judge_gate(gate, fact.evidence, now, kinds())

    def voted(self, ys: list[float], n_raters: int = 7, **fields: Any) -> None:
        votes.votes(self.candidate, self.incumbent, ys, votes.raters(n_raters), **fields)


@pytest.fixture
def story() -> Story:
    return Story()


def test_votes_for_the_candidate_pass_and_against_it_fail(story: Story) -> None:
    story.voted(BETTER * 7)
    verdict = story.judge(prove="better")
    assert verdict.outcome is Outcome.PASS, verdict.sentence
    assert "preferred in 81.2% of 56 blind votes" in verdict.sentence
    other = builders.checkpoint("chat-nano-0")
    votes.votes(story.candidate, other, [1.0, *[0.0] * 7] * 7, votes.raters(7))
    assert story.judge(baseline={"checkpoint": "chat-nano-0"}).outcome is Outcome.FAIL


def test_both_methods_and_partners_beside_reviewers(story: Story) -> None:
    story.voted(BETTER * 5)
    votes.votes(story.candidate, story.incumbent, BETTER * 5, votes.partners(5), prompt="r")
    found = story.gather(method="bradley_terry").observed
    assert (found["n_votes"], found["n_raters"], found["method"]) == (80, 12, "bradley_terry")
    assert found["score"] > 1 and found["lo"] > 0
    verdict = story.judge(method="bradley_terry", prove="better")
    assert verdict.outcome is Outcome.PASS, verdict.sentence


def test_too_few_votes_or_raters_hold(story: Story) -> None:
    story.voted(BETTER * 5, n_raters=4)
    assert story.judge().code == "too_few_votes"
    assert "4 raters, too few to judge: 1 more rater needed" in story.judge().sentence
    story.voted([1.0], n_raters=5, prompt="s")
    assert story.gather().observed["n_raters"] == 4


def test_nothing_to_read_says_what_to_do(story: Story) -> None:
    verdict = story.judge()
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "nobody has compared chat-nano-2 with chat-nano-1 blind yet" in verdict.sentence
    nobody = story.judge(baseline={"stage": "production"})
    assert "production has no incumbent" in nobody.sentence
    unknown = story.judge(baseline={"checkpoint": "nope"})
    assert unknown.outcome is Outcome.ERROR and "'nope'" in unknown.sentence
    same = story.judge(baseline={"checkpoint": "chat-nano-2"})
    assert "is the baseline itself" in same.sentence


def test_what_it_rests_on_are_both_checkpoints_and_a_digest_of_the_votes(story: Story) -> None:
    story.voted(BETTER * 5)
    before = story.gather()
    assert before.live
    assert before.inputs == {
        "checkpoint": story.candidate.checkpoint_digest,
        "baseline": story.incumbent.checkpoint_digest,
    }
    assert story.gather().observed["votes_digest"] == before.observed["votes_digest"]
    story.voted([0.0], prompt="t")
    assert story.gather().observed["votes_digest"] != before.observed["votes_digest"]


def test_as_of_a_past_moment_later_votes_are_unknown(story: Story) -> None:
    story.voted(BETTER * 5)
    then = clock.now()
    with clock.moved_by(timedelta(hours=1)):
        story.voted([0.0] * 40, prompt="u")
    past = PreferenceEvidence().gather_as_of(story.gate(), story.subject(), then)
    assert (past.observed["n_votes"], story.gather().observed["n_votes"]) == (40, 80)


@pytest.mark.long
def test_the_recorded_number_is_made_again_by_the_statistics_alone(story: Story) -> None:
    story.voted(BETTER * 6)
    gate = story.gate(confidence=0.9)
    observed = story.gather(confidence=0.9).observed
    story.voted([0.0] * 5, prompt="later")
    (call,) = PreferenceEvidence().inputs_of(gate, observed)
    command = [sys.executable, "-m", "releases.statistics", call.method]
    told = subprocess.run(
        command, input=json.dumps(call.given), capture_output=True, text=True, check=True
    )
    answer = json.loads(told.stdout)
    assert {name: answer[name] for name in ("score", "lo", "hi")} == pytest.approx(
        {name: observed[name] for name in ("score", "lo", "hi")}, rel=1e-9
    )


def test_an_unvoted_or_void_session_counts_for_nothing(story: Story) -> None:
    story.voted(BETTER * 5)
    (rater,) = votes.raters(1)
    other: Checkpoint = builders.checkpoint("chat-nano-3")
    votes.session(rater, story.candidate, story.incumbent)
    votes.vote(votes.session(rater, story.candidate, other), "a")
    assert story.gather().observed["n_votes"] == 40
