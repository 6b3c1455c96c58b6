"""What gates are told, and what their rules make of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from evals.evidence import EvalEvidence
from evals.formats.results import ResultSpec, RunLog
from evals.graders.contract import ComponentGrade
from evals.models import Run, SuiteVersion
from evals.services import suites
from evals.services.run_imports import import_run
from evals.states import ResultState
from infra import clock
from releases.gates.contract import Evidence, Gate, Subject, Verdict
from releases.gates.judgement import judge_gate
from releases.gates.registry import kinds
from releases.models import Checkpoint, Stage
from releases.states import Outcome
from tests import builders as shared
from tests.alpha.builders import release_of
from tests.evals import builders
from tests.evals.upstream import Upstream, completion

pytestmark = pytest.mark.django_db


def subject(checkpoint: Checkpoint, stage: Stage) -> Subject:
    return Subject(
        promotion_id=None,
        checkpoint_id=str(checkpoint.pk),
        checkpoint_digest=checkpoint.checkpoint_digest,
        family="chat",
        size="nano",
        stage_id=str(stage.pk),
        stage=stage.name,
        pipeline_id=str(stage.pipeline_id),
    )


class Story:
    """An old and a new checkpoint on one suite, asked about by gates."""

    def __init__(self, upstream: Upstream, n_cases: int = 60) -> None:
        self.upstream = upstream
        self.version = builders.published(n_cases)
        self.stage = shared.stage("production")
        self.old = builders.served(upstream.base_url, "old", checkpoint_digest="a" * 64)
        self.new = builders.served(upstream.base_url, "new", checkpoint_digest="b" * 64)

    def run(self, checkpoint: Checkpoint, *wrong: int, version: SuiteVersion | None = None) -> Run:
        words = {f"word-{number}" for number in wrong}
        self.upstream.rules[:] = [lambda text, n: completion("no") if text in words else None]
        return builders.execute(builders.start(version or self.version, checkpoint))

    def gather(self, kind: str, **options: Any) -> Evidence:
        gate = Gate(id=f"{kind}-1", kind=kind, options={"suite": "echo", **options})
        return EvalEvidence().gather(gate, subject(self.new, self.stage), clock.now())

    def judge(self, kind: str, **options: Any) -> Verdict:
        gate = Gate(id=f"{kind}-1", kind=kind, options={"suite": "echo", **options})
        return judge_gate(gate, self.gather(kind, **options), clock.now(), kinds())


@pytest.fixture
def story(upstream: Upstream) -> Story:
    return Story(upstream)


def test_a_floor_is_told_every_nodes_mean(story: Story) -> None:
    run = story.run(story.new, 1)
    found = story.gather("eval_floor", node="echo.first", at_least=0.5)
    assert found.observed is not None
    assert (found.observed["suite"], found.observed["version"]) == ("echo", 1)
    assert (found.observed["run_id"], found.observed["suite_state"]) == (str(run.pk), "fresh")
    node = found.observed["nodes"]["echo.first"]
    assert (node["n"], node["n_missing"], node["mean"]) == (30, 0, pytest.approx(29 / 30))
    assert dict(found.inputs)["checkpoint"] == "b" * 64
    assert dict(found.inputs)["suite echo"] == story.version.digest
    assert story.judge("eval_floor", node="echo.first", at_least=0.5).outcome is Outcome.PASS
    assert story.judge("eval_floor", node="echo.first", at_least=0.999).outcome is Outcome.FAIL


def test_another_confidence_gets_its_own_interval(story: Story) -> None:
    story.run(story.new, 1, 3, 5)
    usual = story.gather("eval_floor", at_least=0.5).observed
    strict = story.gather("eval_floor", at_least=0.5, confidence=0.99).observed
    assert usual is not None and strict is not None
    assert strict["nodes"][""]["lo"] < usual["nodes"][""]["lo"]
    assert strict["nodes"][""]["mean"] == usual["nodes"][""]["mean"]


def test_without_a_run_the_command_to_type_is_named(story: Story) -> None:
    found = story.gather("eval_floor", at_least=0.5)
    assert found.observed is None
    assert "`manage.py run start echo new`" in found.missing
    pinned = story.gather("eval_floor", suite="echo@1", at_least=0.5)
    assert "`manage.py run start echo@1 new`" in pinned.missing
    builders.start(story.version, story.new)
    assert "0 of 60 done" in story.gather("eval_floor", at_least=0.5).missing
    assert story.judge("eval_floor", at_least=0.5).outcome is Outcome.INCONCLUSIVE


def test_an_unknown_suite_is_missing_and_never_passes(story: Story) -> None:
    found = story.gather("eval_fresh", suite="nothing")
    assert "No suite 'nothing'" in found.missing
    assert story.judge("eval_fresh", suite="nothing").outcome is Outcome.INCONCLUSIVE


def test_no_regression_against_the_incumbent_of_a_stage(story: Story) -> None:
    asked = {"baseline": {"stage": "production"}, "margin": 0.1}
    story.run(story.new)
    assert "no incumbent of chat nano" in story.gather("eval_no_regression", **asked).missing
    release_of(story.old, story.stage)
    assert "run start echo old" in story.gather("eval_no_regression", **asked).missing
    story.run(story.old, *range(0, 20, 2))
    found = story.gather("eval_no_regression", **asked)
    assert found.observed is not None
    assert (found.observed["candidate"], found.observed["baseline"]) == ("new", "old")
    assert found.observed["nodes"]["echo.second"]["delta"] == pytest.approx(1 / 3)
    assert dict(found.inputs)["baseline"] == "a" * 64
    assert story.judge("eval_no_regression", **asked).outcome is Outcome.PASS


def test_a_regression_on_one_component_fails_the_gate(story: Story) -> None:
    story.run(story.old)
    story.run(story.new, *range(1, 40, 2))
    verdict = story.judge("eval_no_regression", baseline={"checkpoint": "old"}, margin=0.05)
    assert verdict.outcome is Outcome.FAIL
    assert "echo.first" in verdict.sentence
    assert "new against old" in verdict.sentence


def test_a_margin_too_small_for_the_suite_is_inconclusive(story: Story) -> None:
    story.run(story.old, 1, 2, 3)
    story.run(story.new, 4, 5, 6)
    verdict = story.judge("eval_no_regression", baseline={"checkpoint": "old"}, margin=0.01)
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "would settle it" in verdict.sentence or "won't settle here" in verdict.sentence


def test_the_anchor_has_its_own_margin(story: Story) -> None:
    story.run(story.old)
    story.run(story.new)
    anchor = {"checkpoint": "old", "margin": 0.2}
    asked = {"baseline": {"checkpoint": "old"}, "margin": 0.1, "anchor": anchor}
    found = story.gather("eval_no_regression", **asked)
    assert found.observed is not None
    assert set(found.observed["anchor"]["nodes"]) == set(found.observed["nodes"])
    assert dict(found.inputs)["anchor"] == "a" * 64
    assert "against the anchor old" in story.judge("eval_no_regression", **asked).sentence


def test_only_a_pinned_gate_stays_with_an_older_version(story: Story) -> None:
    story.run(story.new)
    spec = builders.suite_spec(61)
    suites.import_suite(actor=builders.DEMO, name="echo", suite=spec)
    assert "no completed run on echo@2" in story.gather("eval_floor", at_least=0.5).missing
    pinned = story.gather("eval_floor", suite="echo@1", at_least=0.5).observed
    assert pinned is not None
    assert pinned["version"] == 1


def test_an_expired_suite_lets_nothing_pass(story: Story) -> None:
    story.run(story.new)
    with clock.moved_by(timedelta(days=91)):
        assert story.judge("eval_fresh").outcome is Outcome.INCONCLUSIVE
        verdict = story.judge("eval_floor", at_least=0.1)
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert story.judge("eval_fresh").outcome is Outcome.PASS


def imported(story: Story, checkpoint: Checkpoint) -> Run:
    """The checkpoint's run as another tool's log of the same suite; every answer right."""
    spec = builders.suite_spec(story.version.n_cases)
    results = [
        ResultSpec(
            case_id=case.case_id,
            state=ResultState.PASSED,
            score=1.0,
            components={case.components[0]: ComponentGrade(score=1.0)},
        )
        for case in spec.cases
    ]
    log = RunLog(suite=spec, model="another", results=results)
    return import_run(
        actor=builders.DEMO, log=log, checkpoint=checkpoint, format_name="inspect"
    ).run


def test_imported_evidence_does_not_admit_unasked(story: Story) -> None:
    imported(story, story.new)
    verdict = story.judge("eval_floor", at_least=0.5)
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "new has only an imported run on echo@1" in verdict.sentence
    assert "allow_imported: true" in verdict.sentence
    allowed = story.judge("eval_floor", at_least=0.5, allow_imported=True)
    assert allowed.outcome is Outcome.PASS
    assert "(the run of new was imported, not made here)" in allowed.sentence


def test_a_newer_imported_run_does_not_displace_our_own(story: Story) -> None:
    own = story.run(story.new, *range(30))
    newer = imported(story, story.new)
    observed = story.gather("eval_floor", at_least=0.5).observed
    assert observed is not None and observed["run_id"] == str(own.pk)
    observed = story.gather("eval_floor", at_least=0.5, allow_imported=True).observed
    assert observed is not None and observed["run_id"] == str(newer.pk)


def test_an_imported_baseline_is_no_baseline_unasked(story: Story) -> None:
    story.run(story.new)
    imported(story, story.old)
    options = {"baseline": {"checkpoint": "old"}, "margin": 0.1}
    verdict = story.judge("eval_no_regression", **options)
    assert (verdict.outcome, "old has only an imported run" in verdict.sentence) == (
        Outcome.INCONCLUSIVE,
        True,
    )
    allowed = story.judge("eval_no_regression", allow_imported=True, **options)
    assert allowed.outcome is Outcome.PASS
    assert "the run of old was imported" in allowed.sentence
