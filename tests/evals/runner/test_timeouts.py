"""A model that is too slow is scored by the suite's policy; an upstream that is away never is."""

from __future__ import annotations

import pytest

from evals.graders.contract import Policy
from evals.models import Run
from evals.services import comparisons, regrades
from infra.errors import InvalidInput
from tests.evals import builders
from tests.evals.upstream import Upstream, completion

pytestmark = pytest.mark.django_db


def run_on(upstream: Upstream, policy: Policy, delay_s: float) -> Run:
    """Twelve cases, of which the third is answered after seconds."""
    slow = completion("word-3")
    upstream.rules.append(
        lambda text, n: (
            type(slow)(body=slow.body, headers=slow.headers, delay_s=delay_s)
            if text == "word-3"
            else None
        )
    )
    version = builders.published(12, policy=policy)
    return builders.execute(builders.start(version, builders.served(upstream.base_url)))


def test_the_models_own_time_out_is_scored_and_not_asked_again(upstream: Upstream) -> None:
    run = run_on(upstream, Policy(request_timeout_s=2.0, timed_out=0.25), 4.0)
    late = run.results.get(case__case_id="c00003")
    assert (late.state, late.score, late.n_calls) == ("failed", 0.25, 1)
    assert late.components["echo.first"]["score"] == 0.25
    assert "did not answer within 2 s" in late.explanation
    assert (late.error_code, bytes(late.output)) == ("upstream_timeout", b"")
    root = run.metrics.get(node="")
    assert (root.n_cases, root.n_missing) == (12, 0)
    assert root.mean == pytest.approx((11 + 0.25) / 12)
    assert upstream.n_calls == 12


def test_a_late_answer_graded_again_is_scored_by_the_newer_policy(upstream: Upstream) -> None:
    run = run_on(upstream, Policy(request_timeout_s=2.0), 4.0)
    builders.published(12, policy=Policy(request_timeout_s=2.0, timed_out=0.5))
    again = builders.execute(regrades.regrade_run(actor=builders.DEMO, run=run, reason="a check"))
    late = again.results.get(case__case_id="c00003")
    assert (late.state, late.score) == ("failed", 0.5)
    assert upstream.n_calls == 12


def test_without_a_limit_a_slow_answer_is_awaited(upstream: Upstream) -> None:
    run = run_on(upstream, Policy(), 0.5)
    assert run.results.filter(state="passed").count() == 12


@pytest.mark.long
def test_an_upstream_that_is_away_is_errored_whatever_the_limit() -> None:
    version = builders.published(1, policy=Policy(request_timeout_s=0.2, timed_out=1.0))
    run = builders.execute(builders.start(version, builders.served("http://127.0.0.1:9/v1")))
    result = run.results.get()
    assert (result.state, result.score) == ("errored", None)
    assert result.error_code == "upstream_unreachable"


def test_a_limit_makes_another_version_that_is_not_compared(upstream: Upstream) -> None:
    first = builders.published(12)
    assert "request_timeout_s" not in first.policy
    second = builders.published(12, policy=Policy(request_timeout_s=30))
    assert first.digest != second.digest
    checkpoint = builders.served(upstream.base_url)
    ran = [builders.execute(builders.start(version, checkpoint)) for version in (first, second)]
    with pytest.raises(InvalidInput, match="differ in their policy"):
        comparisons.compare(candidate_run=ran[1], baseline_run=ran[0])
