"""A judge whose scale has grades between good and bad."""

from __future__ import annotations

import pytest

from evals.selectors.judged_comparisons import shown
from evals.services.comparisons import compare
from infra import clock
from releases.states import Outcome
from tests.evals.judges import world
from tests.evals.judges.story import Story
from tests.evals.judges.test_comparison_page import node
from tests.evals.judges.test_gates import FLOOR

pytestmark = pytest.mark.django_db


@pytest.fixture
def story(endpoints: None) -> Story:
    return Story({"good": 1.0, "fair": 0.5, "bad": 0.0})


def test_a_judge_with_grades_between_needs_labels_of_these_outputs(story: Story) -> None:
    story.label(120, 0.1, story.old_run)
    story.calibrate()
    # Every verdict so far was good or bad, so the scale alone does not hinder it.
    assert story.judged("eval_floor", **FLOOR).outcome is Outcome.PASS
    scores = [*story.verdicts[story.new_run.pk][:-1], 0.5]
    world.judged_run(story.suite, story.new, scores)
    verdict = story.judged("eval_floor", **FLOOR)
    assert verdict.outcome is Outcome.ERROR
    assert (
        "tone rests on judge tone@1, and 0 of its 160 cases are labelled; 50 are needed"
        in verdict.sentence
    )


def test_too_few_labels_of_these_answers_leave_it_open(story: Story) -> None:
    story.label(120, 0.1, story.old_run)
    story.calibrate()
    scores_now = [*story.verdicts[story.new_run.pk][:-1], 0.5]
    run = world.judged_run(story.suite, story.new, scores_now)
    made = compare(candidate_run=run, baseline_run=story.old_run, margin=0.1)
    one = node(shown(made, clock.now()).nodes, "tone")
    assert one["delta"] is None and "50 are needed" in one["sentence"]
