"""Graders that ask a model of their own: in the run's pace, counted, and never a zero."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from evals import graders
from evals.caps import Caps
from evals.graders import contract
from evals.graders.contract import Grade, GradedCase, Sample, Services
from evals.models import PaceChange, Result
from evals.selectors.progress import progress
from infra import clock
from infra.errors import InvalidInput, InvalidMove
from tests.evals import builders
from tests.evals.upstream import Upstream, completion, failure

pytestmark = pytest.mark.django_db
JUDGE = {"type": "asks", "model": "judge"}


async def grade_async(
    spec: Mapping[str, Any], case: GradedCase, sample: Sample, services: Services
) -> Grade:
    """1 when the model repeats the target."""
    asked = {"messages": [{"role": "user", "content": sample.output_text}]}
    said = (await services.complete(spec["model"], asked)).text
    return contract.single_grade(spec, case, float(said == case.target), said)


@pytest.fixture
def judge(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Upstream]:
    """An upstream of its own behind the name `judge`, and an installed grader that asks it."""
    asks = SimpleNamespace(
        SCHEMA={"type": "object", "properties": {"model": {"type": "string"}}},
        TARGET_SCHEMA={},
        labels=contract.single_labels,
        models=lambda spec: [spec["model"]],
        grade_async=grade_async,
    )
    graders.get.cache_clear()
    point = SimpleNamespace(name="asks", load=lambda: asks)
    monkeypatch.setattr(graders, "entry_points", lambda group: [point])
    with Upstream() as server:
        price = {"input": 1_000_000, "output": 2_000_000}
        entry = {"base_url": server.base_url, "model": "judge-1", "price": price}
        settings.JUDGE_ENDPOINTS = {"judge": entry}
        yield server
    graders.get.cache_clear()


def test_a_graders_calls_and_cost_stand_beside_the_runs(
    upstream: Upstream, judge: Upstream
) -> None:
    judge.rules.append(lambda text, n: failure(500) if text == "word-3" and n == 1 else None)
    version = builders.published(6, graders=[JUDGE])
    run = builders.execute(builders.start(version, builders.served(upstream.base_url)))
    assert set(run.results.values_list("state", flat=True)) == {"passed"}
    assert judge.bodies[0]["model"] == "judge-1"
    once, twice = run.results.get(case__case_id="c00001"), run.results.get(case__case_id="c00003")
    counted = (once.n_grader_calls, once.grader_tokens_in, once.grader_tokens_out)
    assert (*counted, once.grader_cost_micros) == (1, 20, 4, 28)
    assert (twice.n_grader_calls, twice.grader_tokens_in) == (2, 20)
    now = progress(run)
    assert (now.n_grader_calls, now.grader_cost_micros) == (7, 6 * 28)
    assert now.cost_micros is None


def test_a_grader_whose_model_fails_leaves_the_result_errored(
    upstream: Upstream, judge: Upstream
) -> None:
    judge.rules.append(lambda text, n: failure(400) if text == "word-3" else None)
    version = builders.published(12, graders=[JUDGE, {"type": "string_check", "operation": "eq"}])
    run = builders.execute(builders.start(version, builders.served(upstream.base_url)))
    errored = run.results.get(case__case_id="c00003")
    assert (errored.state, errored.score) == ("errored", None)
    assert errored.error_code == "model_grader_server_error"
    assert "judge: The upstream answered 400" in errored.error_message
    assert errored.n_grader_calls == 1
    assert errored.output
    assert run.results.filter(state="passed").count() == 11
    assert run.metrics.get(node="").n_missing == 1


def test_judges_keep_to_the_runs_concurrency(upstream: Upstream, judge: Upstream) -> None:
    judge.delay_s = 0.02
    version = builders.published(24, graders=[JUDGE])
    run = builders.start(version, builders.served(upstream.base_url), concurrency=6)
    builders.execute(run)
    assert 2 <= judge.most_at_once <= 6
    assert Result.objects.filter(run=run, state="passed").count() == 24


def test_a_run_whose_judge_answers_nowhere_is_refused(upstream: Upstream, judge: Upstream) -> None:
    version = builders.published(2, graders=[{**JUDGE, "model": "gpt-none"}])
    checkpoint = builders.served(upstream.base_url)
    with pytest.raises(InvalidInput, match="SLIPWAY_JUDGE_ENDPOINTS"):
        builders.start(version, checkpoint)


def test_a_cases_own_judge_is_asked_for_that_case_alone(
    upstream: Upstream, judge: Upstream
) -> None:
    cases = [builders.case(n, graders=[JUDGE] if n == 2 else []) for n in range(6)]
    version = builders.published(cases=cases)
    run = builders.execute(builders.start(version, builders.served(upstream.base_url)))
    assert run.results.filter(state="passed").count() == 6
    asked = run.results.filter(n_grader_calls=1).values_list("case__case_id", flat=True)
    assert list(asked) == ["c00002"]


def test_a_missing_secret_of_a_judge_is_told_on_the_result(
    upstream: Upstream, judge: Upstream, settings: Any
) -> None:
    settings.JUDGE_ENDPOINTS["judge"]["secret"] = "env:NO_SUCH_SECRET"  # noqa: S105
    version = builders.published(1, graders=[JUDGE])
    run = builders.execute(builders.start(version, builders.served(upstream.base_url)))
    result = run.results.get()
    assert (result.state, judge.n_calls) == ("errored", 0)
    assert "NO_SUCH_SECRET is not set" in result.error_message


CRASHES: list[tuple[str, Callable[[], Any]]] = [
    ("raises", lambda: 1 / 0),
    ("gives nothing", lambda: Grade(state=contract.ResultState.PASSED, score=None)),
    ("beyond its range", lambda: Grade(state=contract.ResultState.PASSED, score=1.5)),
]


@pytest.mark.parametrize(("name", "act"), CRASHES)
def test_a_crash_of_an_async_grader_is_errored(
    name: str, act: Callable[[], Any], upstream: Upstream, judge: Upstream
) -> None:
    async def crashes(*_: Any) -> Any:
        return act()

    graders.get("asks").grade_async = crashes  # type: ignore[attr-defined]
    version = builders.published(1, graders=[JUDGE])
    run = builders.execute(builders.start(version, builders.served(upstream.base_url)))
    result = run.results.get()
    assert (result.state, result.error_code, result.n_grader_calls) == (
        "errored",
        "other_error",
        0,
    ), name


def test_a_refusal_costs_no_judge(upstream: Upstream, judge: Upstream) -> None:
    upstream.rules.append(lambda text, n: completion("", finish_reason="content_filter"))
    version = builders.published(3, graders=[JUDGE])
    run = builders.execute(builders.start(version, builders.served(upstream.base_url)))
    assert set(run.results.values_list("state", flat=True)) == {"refused"}
    assert judge.n_calls == 0


def test_a_cap_on_money_needs_the_price_of_every_model_that_is_asked(
    upstream: Upstream, judge: Upstream, settings: Any
) -> None:
    version, caps = builders.published(12, graders=[JUDGE]), Caps(most_cost_micros=100)
    checkpoint = builders.served(upstream.base_url)
    checkpoint.prices.create(
        currency="EUR",
        input_micros_per_million=1_000_000,
        cached_input_micros_per_million=1_000_000,
        output_micros_per_million=2_000_000,
        effective_at=clock.now() - timedelta(days=1),
    )
    run = builders.start(version, checkpoint, caps=caps)
    priced = settings.JUDGE_ENDPOINTS["judge"]
    settings.JUDGE_ENDPOINTS = {"judge": {k: v for k, v in priced.items() if k != "price"}}
    with pytest.raises(InvalidMove, match="'judge', which has no price"):
        builders.start(version, checkpoint, caps=caps)
    builders.start(version, checkpoint, caps=Caps(most_tokens=10**6))
    # Its price went away after the start: nothing is counted as free.
    done = builders.execute(run)
    assert "no price any more" in done.ended_because
    assert upstream.n_calls <= run.concurrency


def test_a_judge_that_counts_no_tokens_keeps_no_cap(upstream: Upstream, judge: Upstream) -> None:
    silent = completion("word-0")
    body = silent.body.replace(b'"usage"', b'"not_usage"')
    judge.rules.append(lambda text, n: type(silent)(body=body, headers=silent.headers))
    version = builders.published(40, graders=[JUDGE])
    caps = Caps(most_tokens=10**6)
    done = builders.execute(builders.start(version, builders.served(upstream.base_url), caps=caps))
    assert "did not count its tokens" in done.ended_because
    assert upstream.n_calls <= done.concurrency


def test_a_judges_endpoint_has_a_pace_of_its_own(
    upstream: Upstream, judge: Upstream, valkey: str
) -> None:
    busy = failure(429, Retry_After="0.1")
    judge.rules.append(lambda text, n: busy if n == 1 and text[-1] in "37" else None)
    judge.delay_s = 0.01
    version = builders.published(100, graders=[JUDGE])
    run = builders.start(version, builders.served(upstream.base_url), concurrency=8)
    done = builders.execute(run)
    assert done.results.filter(state="passed").count() == 100
    cut = PaceChange.objects.filter(cause="throttled").values_list("endpoint", flat=True)
    assert set(cut) == {judge.base_url}
