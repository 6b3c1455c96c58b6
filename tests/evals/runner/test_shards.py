"""A shard from claim to done against a real upstream and a real database."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta

import pytest

from evals import outputs
from evals.models import Result, Shard
from evals.runner import leases, shards
from evals.services import runs
from evals.states import ResultState, RunState, ShardState
from infra import clock
from tests.evals import builders
from tests.evals.upstream import Reply, Upstream, completion, failure


@pytest.mark.django_db
def test_a_run_records_each_case_and_repeat_once(upstream: Upstream) -> None:
    version = builders.published(6)
    run = builders.start(version, builders.served(upstream.base_url), repeats=3)
    done = builders.execute(run)
    assert done.state == RunState.COMPLETED
    assert Result.objects.filter(run=run, state="passed").count() == 18 == done.n_expected
    assert upstream.n_calls == 18
    root, echo = run.metrics.get(node=""), run.metrics.get(node="echo.first")
    assert (root.n_cases, root.mean, root.n_missing) == (6, 1.0, 0)
    assert (echo.n_cases, echo.mean) == (3, 1.0)


@pytest.mark.django_db
def test_a_case_is_scored_by_its_own_graders_too(upstream: Upstream) -> None:
    own = [{"type": "regex", "pattern": "never", "components": ["echo.second"]}]
    first, second = builders.case(0), builders.case(1, graders=own)
    version = builders.published(cases=[first, second])
    run = builders.execute(builders.start(version, builders.served(upstream.base_url)))
    nodes = {metric.node: (metric.n_cases, metric.mean) for metric in run.metrics.all()}
    assert nodes["echo.second"] == (2, 0.5)
    assert nodes["echo.first"] == (1, 1.0)
    assert nodes[""] == (2, 0.75)


@pytest.mark.django_db
def test_an_unanswered_case_is_missing_where_its_own_graders_score(upstream: Upstream) -> None:
    upstream.rules.append(lambda text, n: failure(400) if text == "word-1" else None)
    own = [{"type": "regex", "pattern": "never", "components": ["echo.second"]}]
    version = builders.published(cases=[builders.case(0), builders.case(1, graders=own)])
    run = builders.execute(builders.start(version, builders.served(upstream.base_url)))
    assert run.metrics.get(node="echo.second").n_missing == 1


@pytest.mark.django_db
def test_repeats_differ_in_their_seed_alone(upstream: Upstream) -> None:
    version = builders.published(1)
    checkpoint = builders.served(upstream.base_url)
    builders.execute(builders.start(version, checkpoint, repeats=3))
    assert sorted(body.pop("seed") for body in upstream.bodies) == [7, 8, 9]
    first, *others = upstream.bodies
    assert all(body == first for body in others)
    assert first["messages"][0] == {"role": "system", "content": "You are brief."}
    assert (first["max_tokens"], first["temperature"]) == (16, 0)


@pytest.mark.django_db
def test_what_cannot_be_answered_is_errored_and_not_failed(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream.rules.append(lambda text, n: failure(400) if text == "word-3" else None)
    version = builders.published(12)
    run = builders.execute(builders.start(version, builders.served(upstream.base_url)))
    errored = Result.objects.get(run=run, case__case_id="c00003")
    assert (errored.state, errored.score) == (ResultState.ERRORED, None)
    assert (errored.error_code, errored.n_calls) == ("upstream_400", 1)
    assert "told to answer 400" in errored.error_message
    root = run.metrics.get(node="")
    assert (run.state, root.n_cases, root.n_missing, root.mean) == ("completed", 11, 1, 1.0)
    assert run.metrics.get(node="echo.first").n_missing == 1
    assert run.metrics.get(node="echo.second").n_missing == 0


@pytest.mark.django_db
def test_faults_that_pass_are_called_again(upstream: Upstream) -> None:
    faults = {
        "word-0": failure(429, Retry_After="0.05"),
        "word-1": failure(500),
        "word-2": Reply(body=b'{"choices": [', headers={"Content-Type": "application/json"}),
        "word-3": Reply(body=b'{"choices": []}', headers={"Content-Type": "application/json"}),
    }
    upstream.rules.append(lambda text, n: faults.get(text) if n == 1 else None)
    version = builders.published(12)
    run = builders.execute(builders.start(version, builders.served(upstream.base_url)))
    assert Result.objects.filter(run=run, state="passed").count() == 12
    assert upstream.n_calls == 16
    assert sum(Result.objects.filter(run=run).values_list("n_calls", flat=True)) == 16


@pytest.mark.django_db
def test_a_refusal_is_scored_by_the_suites_policy(upstream: Upstream) -> None:
    refusals = {
        "word-0": completion("", finish_reason="content_filter"),
        "word-1": completion(None, refusal="I will not."),
    }
    upstream.rules.append(lambda text, n: refusals.get(text))
    version = builders.published(12)
    run = builders.execute(builders.start(version, builders.served(upstream.base_url)))
    refused = Result.objects.filter(run=run, state="refused").order_by("case__case_id")
    assert [result.score for result in refused] == [0.0, 0.0]
    assert run.metrics.get(node="").mean == pytest.approx(10 / 12)
    kept = outputs.unpack(refused[1].output)
    assert kept is not None
    assert (kept.text, kept.finish_reason) == ("I will not.", "refusal")


@pytest.mark.django_db
def test_text_that_postgres_cannot_hold_is_kept_readable(upstream: Upstream) -> None:
    upstream.rules.append(lambda text, n: completion("nul \x00 and \ud800 half"))
    version = builders.published(1)
    run = builders.execute(builders.start(version, builders.served(upstream.base_url)))
    result = run.results.get()
    assert result.state == "failed"
    assert "nul" in result.explanation


@pytest.mark.django_db
def test_cost_uses_the_price_of_the_moment(upstream: Upstream) -> None:
    version = builders.published(1)
    checkpoint = builders.served(upstream.base_url)
    checkpoint.prices.create(
        currency="EUR",
        input_micros_per_million=1_000_000,
        cached_input_micros_per_million=1_000_000,
        output_micros_per_million=2_000_000,
        effective_at=clock.now() - timedelta(days=1),
    )
    run = builders.execute(builders.start(version, checkpoint))
    result = run.results.get()
    assert (result.tokens_in, result.tokens_out, result.cost_micros) == (20, 4, 28)


@pytest.mark.django_db
def test_concurrency_is_used_and_never_passed(upstream: Upstream) -> None:
    upstream.delay_s = 0.02
    version = builders.published(24)
    run = builders.start(version, builders.served(upstream.base_url), concurrency=6)
    builders.execute(run)
    assert upstream.most_at_once == 6


@pytest.mark.django_db
def test_a_shard_is_held_by_one_worker_until_its_lease_ends(upstream: Upstream) -> None:
    version = builders.published(3)
    run = builders.start(version, builders.served(upstream.base_url))
    shard = run.shards.get()
    held = leases.claim(shard.pk)
    assert held is not None
    assert leases.claim(shard.pk) is None
    shards.run_shard(shard.pk)
    assert upstream.n_calls == 0
    with clock.moved_by(leases.LEASE + timedelta(seconds=1)):
        taken = leases.claim(shard.pk)
    assert taken is not None
    assert not leases.renew(held)
    assert not leases.finish(held)
    assert leases.renew(taken)


@pytest.mark.django_db
def test_the_sweep_frees_what_a_dead_worker_held(upstream: Upstream) -> None:
    version = builders.published(3)
    run = builders.start(version, builders.served(upstream.base_url))
    shard = run.shards.get()
    leases.claim(shard.pk)
    assert leases.sweep() == 0
    with clock.moved_by(leases.LEASE + timedelta(seconds=1)):
        assert leases.sweep() == 1
        assert leases.sweep() == 0
    assert Shard.objects.get(pk=shard.pk).state == ShardState.QUEUED
    assert builders.execute(run).state == RunState.COMPLETED


@pytest.mark.django_db
def test_a_worker_killed_on_this_machine_is_noticed_at_once() -> None:
    run = builders.start(builders.published(3), builders.served("http://127.0.0.1:9/v1"))
    shard = run.shards.get()
    lease = leases.claim(shard.pk)
    assert lease is not None
    assert leases.sweep() == 0, "it lives"
    machine, _, token = lease.holder.rsplit(":", 2)
    gone = subprocess.Popen([sys.executable, "-c", "pass"])
    gone.wait()
    Shard.objects.update(holder=f"elsewhere/1:{gone.pid}:{token}")
    assert leases.sweep() == 0, "nobody here knows what runs on another machine"
    Shard.objects.update(holder=f"{machine}:{gone.pid}:{token}")
    assert leases.sweep() == 1
    assert not leases.renew(lease)
    assert leases.claim(shard.pk) is not None


@pytest.mark.django_db
def test_a_shard_that_never_finishes_fails_its_run(upstream: Upstream) -> None:
    run = builders.start(builders.published(3), builders.served(upstream.base_url))
    run.shards.update(n_claims=leases.MOST_CLAIMS, lease_until=clock.now() - timedelta(seconds=1))
    leases.sweep()
    run.refresh_from_db()
    assert (run.state, "never finished" in run.problem) == (RunState.FAILED, True)


@pytest.mark.django_db
def test_a_cancelled_run_calls_nothing_more(upstream: Upstream) -> None:
    run = builders.start(builders.published(3), builders.served(upstream.base_url))
    runs.cancel_run(actor=builders.DEMO, run=run, reason="wrong checkpoint")
    assert builders.execute(run).state == RunState.CANCELLED
    assert upstream.n_calls == 0
    assert not run.metrics.exists()


@pytest.mark.django_db
def test_a_disabled_deployment_fails_the_run_with_a_sentence(upstream: Upstream) -> None:
    run = builders.start(builders.published(3), builders.served(upstream.base_url))
    run.deployment.state = "disabled"
    run.deployment.save(update_fields=["state"])
    done = builders.execute(run)
    assert done.state == RunState.FAILED
    assert "was disabled" in done.problem
