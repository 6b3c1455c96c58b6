"""Gates on a judge: an error below its floor, wider intervals above it, stale by its versions."""

from __future__ import annotations

from datetime import timedelta

import pytest

from evals.evidence import EvalEvidence
from evals.services import judges as services
from evals.services import labels
from evals.services.suites import import_suite
from infra import clock
from infra.errors import InvalidInput
from releases.states import Outcome
from releases.statistics.methods import METHODS
from tests.evals.judges import world
from tests.evals.judges.story import N_CASES, Story
from tests.evals.test_evidence import subject

pytestmark = pytest.mark.django_db
AGAINST = {"baseline": {"checkpoint": "old"}, "margin": 0.1}
FLOOR = {"node": "tone", "at_least": 0.4}


def test_a_judge_that_nobody_calibrated_makes_the_gate_an_error(story: Story) -> None:
    for kind, options in (("eval_floor", FLOOR), ("eval_no_regression", AGAINST)):
        verdict = story.judged(kind, **options)
        assert verdict.outcome is Outcome.ERROR
        assert "Judge tone@1 can't gate: it was never calibrated" in verdict.sentence


def test_a_judge_below_its_floor_makes_the_gate_an_error_with_the_sentence(story: Story) -> None:
    story.label(100, wrong=0.4)
    made = story.calibrate()
    assert made.kappa_lo < 0.4
    verdict = story.judged("eval_floor", **FLOOR)
    assert verdict.outcome is Outcome.ERROR
    interval = f"95% CI {made.kappa_lo:.2f} to {made.kappa_hi:.2f}"
    assert verdict.sentence.endswith(
        f"Judge tone@1 can't gate: it agrees with people at kappa {made.kappa:.2f} ({interval}), "
        "below its floor of 0.40."
    )
    inputs = story.gather("eval_floor", **FLOOR).inputs
    assert {"judge tone", "calibration of tone@1"} <= set(inputs)


def test_above_its_floor_the_interval_is_wider_and_says_by_what(story: Story) -> None:
    story.label(100, wrong=0.1)
    story.calibrate()
    for kind, options, name in (
        ("eval_floor", FLOOR, "mean"),
        ("eval_no_regression", AGAINST, "delta"),
    ):
        found = story.gather(kind, **options).observed
        assert found is not None
        for label in ("", "tone"):
            node = found["nodes"][label]
            assert node["lo"] < node[name] < node["hi"]
            assert node["n_labelled"] == 100
            assert node["hi"] - node["lo"] > 1.1 * plain_width(story, kind, label)
        verdict = story.judged(kind, **options)
        assert verdict.outcome is Outcome.PASS, verdict.sentence
        assert "[judge tone@1, corrected by 100 human labels of 160 cases, worth" in (
            verdict.sentence
        )


def plain_width(story: Story, kind: str, label: str) -> float:
    """Of the same scores, were each of them right."""
    if kind == "eval_floor":
        metric = story.new_run.metrics.get(node=label)
        return float(metric.hi - metric.lo)
    from evals.services.comparisons import compare

    made = compare(candidate_run=story.new_run, baseline_run=story.old_run, margin=0.1)
    node = next(node for node in made.nodes if node["node"] == label)
    return float(node["hi"] - node["lo"])


def test_labels_of_another_run_correct_by_error_rates(story: Story) -> None:
    story.label(120, 0.1, story.old_run)
    story.calibrate()
    found = story.gather("eval_floor", **FLOOR).observed
    assert found is not None
    node = found["nodes"]["tone"]
    assert node["method"] == "borrowed_mean"
    assert "corrected by its error rates on 120 labelled outputs" in node["note"]
    assert node["hi"] - node["lo"] > plain_width(story, "eval_floor", "tone")
    compared = story.gather("eval_no_regression", **AGAINST).observed
    assert compared is not None
    assert compared["nodes"][""]["method"] == "borrowed_delta"


def test_few_or_old_or_single_labels_do_not_carry_a_gate(story: Story) -> None:
    story.label(20, wrong=0.0)
    story.calibrate()
    verdict = story.judged("eval_floor", **FLOOR)
    assert "held against 40 human labels; 50 are needed before it can pass" in verdict.sentence
    story.label(100, wrong=0.05)
    story.calibrate()
    assert story.judged("eval_floor", **FLOOR).outcome is Outcome.PASS
    later = clock.now() + timedelta(days=91)
    where = subject(story.new, story.stage)
    found = EvalEvidence().gather(story.gate("eval_floor", **FLOOR), where, later)
    assert "its oldest label is 91 days old; 90 are the most" in found.problem


def test_people_who_disagree_carry_no_judge(story: Story) -> None:
    story.label(60, wrong=0.0, apart=40)
    story.calibrate()
    verdict = story.judged("eval_floor", **FLOOR)
    assert verdict.outcome is Outcome.ERROR
    assert "people themselves agree at alpha" in verdict.sentence


def test_labels_after_the_calibration_change_nothing_until_the_next(story: Story) -> None:
    story.label(100, wrong=0.1)
    story.calibrate()
    before = story.gather("eval_floor", **FLOOR)
    item = story.judge.judge.items.filter(run=story.new_run).order_by("rank").first()
    assert item is not None
    for actor in (story.cast.eval_owner, story.cast.behaviour_reviewer):
        other = "bad" if item.labels.first().choice == "good" else "good"
        labels.give_label(actor=actor, item=item, choice=other)
    assert story.gather("eval_floor", **FLOOR) == before
    story.calibrate()
    after = story.gather("eval_floor", **FLOOR)
    assert after.inputs != before.inputs
    assert after.observed != before.observed


def test_the_recorded_numbers_are_made_again_from_their_inputs(story: Story) -> None:
    story.label(100, wrong=0.1)
    story.calibrate()
    for kind, options in (("eval_floor", FLOOR), ("eval_no_regression", AGAINST)):
        observed = story.gather(kind, **options).observed
        assert observed is not None
        calls = EvalEvidence().inputs_of(story.gate(kind, **options), observed)
        assert {call.name for call in calls} == {"", "tone"}
        for call in calls:
            answer = METHODS[call.method].call(call.given)
            node = observed["nodes"][call.name]
            for given, shown in call.fields.items():
                assert answer[given] == pytest.approx(node[shown], abs=1e-12), (kind, call.name)


def test_an_answer_that_the_policy_scored_is_drawn_and_asked_of_nobody(story: Story) -> None:
    scores: list[float | None] = [*story.verdicts[story.new_run.pk]]
    scores[:30] = [None] * 30
    run = world.judged_run(story.suite, story.new, scores)
    items = labels.draw_items(
        actor=story.cast.eval_owner, judge=story.judge.judge, run=run, n_cases=N_CASES
    )
    assert len(items) == N_CASES
    assert sum(not item.is_asked for item in items) == 30
    refused = next(item for item in items if not item.is_asked)
    with pytest.raises(InvalidInput, match="nobody is asked"):
        labels.give_label(actor=story.cast.eval_owner, item=refused, choice="good")


def test_the_same_cases_are_drawn_from_every_run_and_more_extends_them(story: Story) -> None:
    actor, judge = story.cast.eval_owner, story.judge.judge
    first = labels.draw_items(actor=actor, judge=judge, run=story.old_run, n_cases=30)
    other = labels.draw_items(actor=actor, judge=judge, run=story.new_run, n_cases=30)
    assert {item.case_id for item in first} == {item.case_id for item in other}
    assert labels.draw_items(actor=actor, judge=judge, run=story.old_run, n_cases=30) == []
    more = labels.draw_items(actor=actor, judge=judge, run=story.old_run, n_cases=45)
    assert len(more) == 15
    assert not {item.case_id for item in more} & {item.case_id for item in first}


def test_a_shared_component_is_refused_by_name(story: Story) -> None:
    shared_component = {"type": "string_check", "operation": "eq", "components": ["tone"]}
    spec = world.suite(N_CASES, more=[shared_component])
    version = import_suite(actor=story.cast.eval_owner, name="kind", suite=spec).version
    world.judged_run(version, story.new, story.verdicts[story.new_run.pk])
    story.label(100, wrong=0.0)
    story.calibrate()
    verdict = story.judged("eval_floor", **FLOOR)
    assert "give it `components` that no other grader scores" in verdict.sentence


def test_a_suite_names_versions_that_exist(story: Story) -> None:
    with pytest.raises(InvalidInput, match="No judge 'tone@2'; there are: tone@1"):
        import_suite(
            actor=story.cast.eval_owner, name="kind", suite=world.suite(12, judge="tone@2")
        )
    with pytest.raises(InvalidInput, match="tone"):
        import_suite(actor=story.cast.eval_owner, name="kind", suite=world.suite(12, judge="tone"))


def test_other_terms_are_another_input(story: Story) -> None:
    story.label(100, wrong=0.1)
    story.calibrate()
    before = story.gather("eval_floor", **FLOOR)
    services.change_terms(
        actor=story.cast.eval_owner, judge=story.judge.judge, floor=0.95, min_labels=50,
        n_raters=2, reason="Safety asks for more.",
    )  # fmt: skip
    after = story.gather("eval_floor", **FLOOR)
    assert "below its floor of 0.95" in after.problem
    assert before.inputs["calibration of tone@1"] != after.inputs["calibration of tone@1"]
