"""A judge asked: in runs, and about what people labelled."""

from __future__ import annotations

import json
from typing import Any

import pytest

from evals.graders import judge
from evals.graders.contract import GraderError
from evals.models import JudgeVerdict, Label, Result
from evals.runner import judging
from evals.services import calibrations, labels
from evals.services.suites import import_suite
from infra import clock
from infra.errors import InvalidMove
from tests import builders as shared
from tests.evals import builders
from tests.evals.judges import world
from tests.evals.upstream import Reply, Upstream, completion, failure

pytestmark = pytest.mark.django_db
ASKED = "Is this kind? "


def verdict(choice: str) -> Reply:
    return completion(json.dumps({"explanation": "It reads so.", "choice": choice}))


def says(text: str, n: int) -> Reply | None:
    """Words with an even number are kind."""
    if not text.startswith(ASKED):
        return None
    return verdict("good" if int(text.rsplit("-", 1)[1]) % 2 == 0 else "bad")


@pytest.fixture
def cast(upstream: Upstream, settings: Any) -> shared.Cast:
    settings.JUDGE_ENDPOINTS = {"judge-model": {"base_url": upstream.base_url}}
    upstream.rules[:] = [says]
    return shared.cast()


def run_of(cast: shared.Cast, upstream: Upstream, n_cases: int = 24) -> Any:
    suite = import_suite(actor=cast.eval_owner, name="kind", suite=world.suite(n_cases)).version
    return builders.execute(builders.start(suite, builders.served(upstream.base_url)))


def test_a_suite_is_graded_by_a_judge_that_it_names(cast: shared.Cast, upstream: Upstream) -> None:
    world.made(cast, parameters={"temperature": 0, "max_completions_tokens": 99})
    run = run_of(cast, upstream)
    assert run.state == "completed"
    results = Result.objects.filter(run=run).order_by("case__position")
    assert [row.score for row in results] == [1.0, 0.0] * 12
    first = results[0]
    assert first.components == {
        "tone": {"score": 1.0, "explanation": "tone@1 says good: It reads so."}
    }
    assert (first.n_grader_calls, first.grader_tokens_in, first.grader_tokens_out) == (1, 20, 4)
    body = next(b for b in upstream.bodies if b["messages"][-1]["content"].startswith(ASKED))
    assert (body["temperature"], body["max_completion_tokens"]) == (0, 99)
    schema = body["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["choice"] == {"enum": ["good", "bad"]}


@pytest.mark.parametrize(
    "reply, code",
    [
        (completion("I like it."), "model_grader_parse_error"),
        (completion(""), "model_grader_parse_error"),
        (completion('{"choice": "great"}'), "model_grader_parse_error"),
        (completion('{"choice": ["good"]}'), "model_grader_parse_error"),
        (completion('{"choice": "go'), "model_grader_parse_error"),
        (completion(None, "content_filter"), "model_grader_refusal_error"),
        (failure(400), "model_grader_server_error"),
    ],
)
def test_a_judge_that_fails_is_an_error_and_never_a_zero(
    cast: shared.Cast, upstream: Upstream, reply: Reply, code: str
) -> None:
    world.made(cast)
    upstream.rules.insert(
        0, lambda text, n: reply if text.startswith(ASKED) and text.endswith("-3") else None
    )
    run = run_of(cast, upstream, 12)
    bad = Result.objects.get(run=run, state="errored")
    assert (bad.case.case_id, bad.error_code, bad.score) == ("c00003", code, None)


def test_an_unresolvable_judge_refuses_the_start(cast: shared.Cast, settings: Any) -> None:
    settings.JUDGE_ENDPOINTS = {}
    world.made(cast)
    suite = import_suite(actor=cast.eval_owner, name="kind", suite=world.suite(12)).version
    with pytest.raises(Exception, match="A grader asks 'judge-model', and nothing answers"):
        builders.start(suite, builders.served("http://127.0.0.1:9/v1"))


def labelled(cast: shared.Cast, run: Any, judge_row: Any) -> None:
    labels.draw_items(actor=cast.eval_owner, judge=judge_row, run=run, n_cases=20)
    for item in judge_row.items.all():
        choice = "good" if int(item.output.rsplit("-", 1)[1]) % 2 == 0 else "bad"
        for rater in (cast.eval_owner, cast.engineer):
            now = clock.now()
            Label.objects.create(
                item=item, rater_id=rater.person_id, choice=choice, labelled_at=now
            )


def test_a_calibration_takes_what_runs_know_and_asks_the_rest_once(
    cast: shared.Cast, upstream: Upstream
) -> None:
    first = world.made(cast)
    run = run_of(cast, upstream)
    labelled(cast, run, first.judge)
    before = upstream.n_calls
    known = judging.calibrate(actor=cast.eval_owner, version=first)
    assert upstream.n_calls == before
    assert (known.n_items, known.kappa, known.agreement) == (20, pytest.approx(1.0), 1.0)
    second = world.made(cast, parameters={"temperature": 0})
    assert calibrations.ask_for_calibration(actor=cast.eval_owner, version=second) is None
    asked = judging.calibrate(actor=cast.eval_owner, version=second)
    assert upstream.n_calls == before + 20
    assert asked.n_items == 20
    judging.calibrate(actor=cast.eval_owner, version=second)
    assert upstream.n_calls == before + 20
    assert JudgeVerdict.objects.filter(version=second).count() == 20


def test_a_failed_verdict_is_left_out_and_asked_again(
    cast: shared.Cast, upstream: Upstream
) -> None:
    first = world.made(cast)
    run = run_of(cast, upstream)
    labelled(cast, run, first.judge)
    second = world.made(cast, parameters={"temperature": 0})
    broken = lambda text, n: completion("?") if text.startswith(ASKED) else None  # noqa: E731
    upstream.rules.insert(0, broken)
    with pytest.raises(InvalidMove, match="no labelled output with a verdict"):
        judging.calibrate(actor=cast.eval_owner, version=second)
    upstream.rules.remove(broken)
    made = judging.calibrate(actor=cast.eval_owner, version=second)
    assert (made.n_items, made.n_errored) == (20, 0)
    assert JudgeVerdict.objects.filter(version=second, choice="").count() == 20


@pytest.mark.parametrize(
    "text, choice",
    [
        ('{"choice": "good"}', "good"),
        ('{"explanation": 3, "choice": "bad"}', "bad"),
        ("good", "good"),
        ("It is rude.\n\n**bad**", "bad"),
        ('"good".', "good"),
    ],
)
def test_a_reply_is_read_as_json_or_by_its_last_line(text: str, choice: str) -> None:
    assert judge.read(text, ["good", "bad"]).choice == choice


@pytest.mark.parametrize("text", ["", "goodish", "good bad", "[1]", "null", '{"choice": null}'])
def test_any_other_reply_is_refused(text: str) -> None:
    with pytest.raises(GraderError, match="the judge chose none of good, bad"):
        judge.read(text, ["good", "bad"])
