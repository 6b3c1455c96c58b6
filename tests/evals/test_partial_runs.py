"""Partial runs are no evidence, but of the comparison that an early stop was made by."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from evals.caps import Caps
from evals.console.compare import run_pair
from evals.models import Run, SuiteVersion
from evals.runner import early_stops, leases, shards
from evals.selectors import frontier, measured_runs, runs
from evals.selectors.method_inputs import comparison_inputs
from evals.services import run_sets
from evals.services.comparisons import compare
from infra import clock
from infra.actors import Actor
from infra.models import User
from releases.models import Checkpoint
from releases.states import Outcome
from releases.statistics.methods import METHODS
from tests.evals import builders
from tests.evals.runner.test_early_stops import in_order, recorded, results_of
from tests.evals.test_evidence import Story
from tests.evals.upstream import Upstream

pytestmark = pytest.mark.django_db
AGAINST_OLD: dict[str, Any] = {"baseline": {"checkpoint": "old"}, "margin": 0.02}


class Recorded(Story):
    """The story with runs that are recorded, not called."""

    def run(self, checkpoint: Checkpoint, *wrong: int, version: Any = None) -> Run:
        run = builders.start(version or self.version, checkpoint)
        return recorded(run, len(wrong) / run.version.n_cases)


@pytest.fixture
def story(upstream: Upstream) -> Recorded:
    return Recorded(upstream, n_cases=400)


def capped(story: Story, checkpoint: Checkpoint) -> Run:
    """A run that a cap ended after a few cases."""
    run = builders.start(story.version, checkpoint, caps=Caps(most_tokens=24 * 40))
    done = builders.execute(run)
    assert done.state == "completed" and done.ended_because
    return done


def stopped(version: SuiteVersion, checkpoint: Checkpoint, old: Run, share_right: float) -> Run:
    """A run that stopped early, right about that share of the cases."""
    run = builders.start(version, checkpoint, stop_early_against=old)
    (shard,) = run.shards.all()
    assert leases.claim(shard.pk)
    order = in_order(run)
    right = int(share_right * 100)
    told = {case_id: float(at * 61 % 100 < right) for at, case_id in enumerate(order)}
    results_of(run, told, order[:250])
    assert early_stops.look_at_all() == 1
    run.shards.update(lease_until=clock.now())
    shards.run_shard(shard.pk)
    run.refresh_from_db()
    assert run.state == "completed" and "Settled after" in run.ended_because
    return runs.run_with_id(run.pk)


def test_a_capped_run_never_replaces_a_whole_one(story: Story) -> None:
    old, whole = story.run(story.old), story.run(story.new)
    capped(story, story.new)
    capped(story, story.old)
    floor = story.gather("eval_floor", at_least=0.5).observed
    assert floor is not None and floor["run_id"] == str(whole.pk)
    found = story.gather("eval_no_regression", **AGAINST_OLD).observed
    assert found is not None
    assert (found["candidate_run"], found["baseline_run"]) == (str(whole.pk), str(old.pk))
    assert "confidence" not in found
    assert {run.pk for run in frontier.runs_on(story.version)} == {old.pk, whole.pk}
    (size,) = measured_runs.size_classes()
    assert {run.pk for run in measured_runs.runs_of(size)} == {old.pk, whole.pk}


def test_a_capped_run_alone_is_no_evidence_and_the_gate_says_so(story: Story) -> None:
    story.run(story.old)
    capped(story, story.new)
    for kind, options in (("eval_floor", {"at_least": 0.5}), ("eval_no_regression", AGAINST_OLD)):
        missing = story.gather(kind, **options).missing
        assert "new has only a partial run on echo@1" in missing
        assert "Its cap of 960 tokens was reached" in missing
        assert "`manage.py run start echo new`" in missing
        assert story.judge(kind, **options).outcome is Outcome.INCONCLUSIVE


def test_an_early_stop_is_evidence_of_its_own_comparison_alone(story: Story) -> None:
    old = story.run(story.old)
    whole = story.run(story.new)
    run = stopped(story.version, story.new, old, 0.5)
    found = story.gather("eval_no_regression", **AGAINST_OLD).observed
    assert found is not None and found["candidate_run"] == str(run.pk)
    assert found["confidence"] == pytest.approx(0.99)
    verdict = story.judge("eval_no_regression", **AGAINST_OLD)
    assert verdict.outcome is Outcome.FAIL
    assert "99% anytime CI" in verdict.sentence and "regression" in verdict.sentence
    floor = story.gather("eval_floor", at_least=0.5).observed
    assert floor is not None and floor["run_id"] == str(whole.pk)
    # Another run of the baseline is another comparison.
    newer = story.run(story.old)
    again = story.gather("eval_no_regression", **AGAINST_OLD).observed
    assert again is not None
    assert (again["candidate_run"], again["baseline_run"]) == (str(whole.pk), str(newer.pk))


def test_an_early_stop_may_pass_a_gate(story: Story) -> None:
    wrong = range(0, 400, 2)
    old = story.run(story.old, *wrong)
    stopped(story.version, story.new, old, 1.0)
    verdict = story.judge("eval_no_regression", **AGAINST_OLD)
    assert verdict.outcome is Outcome.PASS, verdict.sentence


def test_the_recorded_numbers_of_a_stopped_run_are_made_again(story: Story) -> None:
    old = story.run(story.old)
    run = stopped(story.version, story.new, old, 0.5)
    made = compare(candidate_run=run, baseline_run=old, margin=0.02)
    calls = comparison_inputs(made)
    assert set(calls) == {"", "echo", "echo.first", "echo.second"}
    for node in made.nodes:
        answer = METHODS[calls[node["node"]].method].call(calls[node["node"]].given)
        assert (answer["lo"], answer["hi"]) == pytest.approx((node["lo"], node["hi"]))


def test_people_may_look_at_a_partial_run_that_is_called_one(story: Story) -> None:
    story.run(story.old)
    capped(story, story.new)
    out = io.StringIO()
    words = ("compare", "new", "old", "--suite", "echo", "--json")
    call_command(*words, stdout=out)
    told = json.loads(out.getvalue())
    (sentence,) = told["partial"]
    assert sentence.startswith("The candidate's run is partial. Its cap of 960 tokens")
    assert told["nodes"][0]["corrected_verdict"] == "inconclusive"
    client = Client()
    client.force_login(User.objects.get(username="engineer"))
    page = client.get(reverse("console-comparison", args=[told["id"]])).content.decode()
    assert "run is partial. Its cap of 960 tokens was reached." in page
    reply = client.get(
        "/api/comparisons/", {"candidate": "new", "baseline": "old", "suite": "echo"}
    )
    assert reply.json()["partial"] == [sentence]


def test_the_compare_page_takes_the_run_that_an_early_stop_was_made_by(story: Story) -> None:
    old = story.run(story.old)
    story.run(story.new)
    run = stopped(story.version, story.new, old, 0.5)
    newer = story.run(story.old)
    suite = story.version.suite
    assert run_pair(suite, story.new, story.old) == (run, old)
    last = story.run(story.new)
    assert run_pair(suite, story.new, story.old) == (last, newer)


def test_a_report_holds_a_stopped_run_against_what_it_stopped_by(
    story: Story, engineer: Actor
) -> None:
    old = story.run(story.old)
    run = stopped(story.version, story.new, old, 0.5)
    story.run(story.old)
    capped(story, story.old)
    assert run_sets._held_against(run, story.old) == old
    last = runs.newest_completed(story.version, story.old.pk)
    assert last is not None and not last.ended_because
    whole = story.run(story.new)
    assert run_sets._held_against(whole, story.old) == last


@pytest.fixture
def engineer(story: Story) -> Actor:
    return builders.DEMO


def test_the_page_the_api_and_the_command_tell_of_the_decision(story: Story) -> None:
    old = story.run(story.old)
    run = stopped(story.version, story.new, old, 0.5)
    out = io.StringIO()
    call_command("run", "show", str(run.pk), stdout=out)
    assert "Settled after" in out.getvalue() and "99% anytime" in out.getvalue()
    client = Client()
    client.force_login(User.objects.get(username="engineer"))
    page = client.get(reverse("console-run", args=[run.pk])).content.decode()
    assert "Settled early" in page and "99 % anytime interval" in page
    told = client.get(f"/api/runs/{run.pk}/").json()
    assert (told["stop_early_against"], told["stop_margin"]) == (str(old.pk), 0.02)
    assert told["early_stop"]["sentence"] == run.ended_because
    assert {node["node"] for node in told["early_stop"]["nodes"]} == {
        "", "echo", "echo.first", "echo.second",
    }  # fmt: skip


def test_a_run_is_started_with_an_early_stop_by_every_shell(story: Story) -> None:
    old = story.run(story.old)
    out = io.StringIO()
    words = ("run", "start", "echo", "new", "--stop-early-against", str(old.pk), "--json")
    call_command(*words, "--stop-margin", "0.05", "--by", "engineer", stdout=out)
    told = json.loads(out.getvalue())
    assert (told["stop_early_against"], told["stop_margin"]) == (str(old.pk), 0.05)
    client = Client()
    client.force_login(User.objects.get(username="engineer"))
    body = {"suite": "echo", "checkpoint": "new", "stop_early_against": str(old.pk)}
    reply = client.post("/api/runs/", body, content_type="application/json")
    assert (reply.status_code, reply.json()["stop_margin"]) == (201, 0.02)
    for changed, status in (
        ({"stop_early_against": str(story.version.pk)}, 404),
        ({"stop_margin": 2}, 400),
    ):
        reply = client.post("/api/runs/", {**body, **changed}, content_type="application/json")
        assert reply.status_code == status
    form = {
        "do": "start", "version": str(story.version.pk), "checkpoint": str(story.new.pk),
        "repeats": 1, "concurrency": 4, "stop_early_against": str(old.pk), "stop_margin": "3",
    }  # fmt: skip
    reply = client.post(reverse("console-runs"), form)
    assert reply.status_code == 302, reply.content.decode()
    newest = Run.objects.order_by("-created_at").first()
    assert newest is not None
    assert (newest.stop_early_against_id, newest.stop_margin) == (old.pk, 0.03)
