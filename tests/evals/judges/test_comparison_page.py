"""Comparisons that rest on a judge, as people are shown them."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from evals.evidence import EvalEvidence
from evals.models import Comparison
from evals.selectors import scores
from evals.selectors.judged_comparisons import shown
from evals.services.comparisons import compare
from evals.services.run_imports import import_run
from evals.services.run_sets import report_on, start_run_set
from infra import clock
from infra.errors import InvalidMove
from infra.models import User
from tests.evals import builders
from tests.evals.judges.story import Story
from tests.evals.judges.test_gates import AGAINST

pytestmark = pytest.mark.django_db


def compared(story: Story) -> Comparison:
    return compare(candidate_run=story.new_run, baseline_run=story.old_run, margin=0.1)


def node(nodes: Any, label: str) -> Any:
    return next(found for found in nodes if found["node"] == label)


def page_of(made: Comparison) -> str:
    client = Client()
    client.force_login(User.objects.get(username="engineer"))
    reply = client.get(reverse("console-comparison", args=[made.pk]))
    assert reply.status_code == 200
    return str(reply.content.decode())


def test_the_page_shows_the_corrected_and_wider_interval(story: Story) -> None:
    story.label(100, wrong=0.1)
    story.calibrate()
    made = compared(story)
    seen = shown(made, clock.now())
    assert (list(seen.judges), seen.problem) == (["tone@1"], "")
    for label in ("", "tone"):
        ours, raw = node(seen.nodes, label), node(made.nodes, label)
        assert ours["hi"] - ours["lo"] > 1.1 * (raw["hi"] - raw["lo"])
        assert "corrected by 100 human labels of 160 cases" in ours["sentence"]
        assert (ours["method"], ours["candidate_mean"]) == (None, None)
        assert ours["se"] > raw["se"]
    page = page_of(made)
    assert "Some scores are given by tone@1" in page
    assert "corrected by 100 human labels" in page
    assert node(made.nodes, "")["sentence"] not in page


def test_the_page_says_what_the_gate_says(story: Story) -> None:
    story.label(100, wrong=0.1)
    story.calibrate()
    found = story.gather("eval_no_regression", **AGAINST).observed
    assert found is not None
    seen = shown(compared(story), clock.now())
    for label in ("", "tone"):
        for name in ("delta", "lo", "hi", "verdict"):
            assert node(seen.nodes, label)[name] == found["nodes"][label][name]
    assert EvalEvidence.kinds


def test_without_a_calibration_nothing_is_shown_as_known(story: Story) -> None:
    made = compared(story)
    seen = shown(made, clock.now())
    assert "tone@1 can't gate: it was never calibrated" in seen.problem
    for one in seen.nodes:
        assert (one["delta"], one["lo"], one["candidate_mean"]) == (None, None, None)
        assert one["verdict"] == "insufficient"
    page = page_of(made)
    assert "it was never calibrated" in page
    assert node(made.nodes, "")["sentence"] not in page


def test_the_api_and_the_report_show_the_same(story: Story) -> None:
    story.label(100, wrong=0.1)
    story.calibrate()
    seen = shown(compared(story), clock.now())
    client = Client()
    client.force_login(User.objects.get(username="engineer"))
    query = {"candidate": "new", "baseline": "old", "suite": "kind", "margin": 0.1}
    told = client.get("/api/comparisons/", query).json()
    assert told["judges"] == ["tone@1"]
    assert node(told["nodes"], "tone")["lo"] == node(seen.nodes, "tone")["lo"]
    made = start_run_set(
        actor=story.cast.engineer, name="nightly", versions=[story.suite],
        checkpoints=[story.new], baseline=story.old, margin=0.1,
    )  # fmt: skip
    made.runs.update(state="cancelled")
    type(story.new_run).objects.filter(pk=story.new_run.pk).update(run_set=made)
    assert report_on(made.pk)
    (result,) = [one for one in made.report.content["results"] if one["nodes"]]
    assert node(result["nodes"], "tone")["lo"] == node(seen.nodes, "tone")["lo"]


def test_what_people_labelled_later_waits_for_the_next_calibration(story: Story) -> None:
    story.label(100, wrong=0.1)
    story.calibrate()
    made = compared(story)
    before = shown(made, clock.now()).nodes
    story.label(140, wrong=0.1)
    assert shown(made, clock.now()).nodes == before
    story.calibrate()
    assert shown(made, clock.now()).nodes != before


def test_an_early_stop_by_a_judges_scores_is_refused(story: Story) -> None:
    with pytest.raises(InvalidMove, match="is scored by a judge"):
        builders.start(story.suite, story.new, stop_early_against=story.old_run)


def test_a_component_without_a_number_is_missing_there_alone() -> None:
    """As when a tool's log says NaN for one scorer, or one of two graders gave none."""
    from evals.formats.results import ResultSpec, RunLog
    from evals.graders.contract import ComponentGrade
    from evals.states import ResultState

    cases = [builders.case(n, components=["echo.first", "echo.second"]) for n in range(20)]
    spec = builders.suite_spec(20, cases=cases, graders=[{"type": "external", "tool": "inspect"}])
    both = {"echo.first": ComponentGrade(score=1.0), "echo.second": ComponentGrade(score=0.0)}
    one = {"echo.first": ComponentGrade(score=1.0)}
    results = [
        ResultSpec(
            case_id=case.case_id, repeat=0, state=ResultState.FAILED, score=0.5,
            components=one if at < 3 else both,
        )
        for at, case in enumerate(cases)
    ]  # fmt: skip
    builders.published(3)
    log = RunLog(suite=dataclasses.replace(spec, name="logged"), model="m", results=results)
    checkpoint = builders.served("http://127.0.0.1:9/v1", "imported")
    run = import_run(actor=builders.DEMO, log=log, checkpoint=checkpoint, format_name="inspect").run
    missing = dict(run.metrics.values_list("node", "n_missing"))
    assert missing == {"": 0, "echo": 0, "echo.first": 0, "echo.second": 3}
    counted = dict(run.metrics.values_list("node", "n_cases"))
    assert (counted["echo.second"], counted[""]) == (17, 20)
    assert scores.score_table(run).at("echo.second").counts.tolist().count(0) == 3
