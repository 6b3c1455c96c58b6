"""Stored outputs graded again: no call, the same cases, every refusal."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from evals import outputs
from evals.caps import Caps
from evals.formats.contract import SuiteSpec
from evals.models import Result, Run, SuiteVersion
from evals.runner import leases, shards
from evals.selectors import runs as reads
from evals.services import regrades, suites
from evals.states import RunSource, RunState
from infra.errors import InvalidInput, InvalidMove, NotPermitted
from tests import builders as shared
from tests.evals import builders
from tests.evals.runner.test_grader_services import JUDGE, judge  # noqa: F401
from tests.evals.upstream import Upstream, completion, failure

pytestmark = pytest.mark.django_db


def republished(spec: SuiteSpec) -> SuiteVersion:
    return suites.import_suite(actor=builders.DEMO, name=spec.name, suite=spec).version


def looser(n_cases: int = 12, **fields: Any) -> SuiteSpec:
    """The echo suite with a grader that does not mind capitals."""
    graders = [{"type": "string_check", "operation": "ilike"}]
    return builders.suite_spec(n_cases, **{"graders": graders, **fields})


def shouted(upstream: Upstream, **options: Any) -> Run:
    """A completed run whose answers are right but for their capitals."""
    upstream.rules.append(lambda text, n: completion(text.upper()))
    version = builders.published(12)
    return builders.execute(builders.start(version, builders.served(upstream.base_url), **options))


def regraded(run: Run, **options: Any) -> Run:
    made = regrades.regrade_run(
        actor=builders.DEMO, run=run, reason="capitals don't matter", **options
    )
    return builders.execute(made)


def test_a_regrade_calls_nothing_and_keeps_the_older_run(upstream: Upstream) -> None:
    older = shouted(upstream, repeats=2)
    assert older.metrics.get(node="").mean == 0.0
    newer = republished(looser())
    n_calls = upstream.n_calls
    made = regraded(older)
    assert upstream.n_calls == n_calls == 24
    assert (made.state, made.source) == (RunState.COMPLETED, RunSource.REGRADED)
    assert (made.version, made.regraded_from, made.n_expected) == (newer, older, 24)
    assert made.metrics.get(node="").mean == 1.0
    assert older.metrics.get(node="").mean == 0.0
    result = Result.objects.filter(run=made).first()
    assert result is not None
    kept = outputs.unpack(result.output)
    assert kept is not None and kept.text.startswith("WORD-")
    assert (result.n_calls, result.tokens_in, result.cost_micros) == (0, None, None)
    assert reads.newest_completed(newer, older.checkpoint_id) == made


def test_errors_and_skips_stay_what_they_were(upstream: Upstream) -> None:
    upstream.rules.append(lambda text, n: failure(400) if text == "word-3" else None)
    older = shouted(upstream, caps=Caps(most_tokens=24 * 8), concurrency=1)
    republished(looser())
    made = regraded(older)
    before, after = (
        dict(Result.objects.filter(run=run).values_list("case__case_id", "state"))
        for run in (older, made)
    )
    assert after == {k: "passed" if v == "failed" else v for k, v in before.items()}
    assert set(after.values()) == {"passed", "errored", "skipped"}
    errored = Result.objects.get(run=made, state="errored")
    assert (errored.error_code, errored.n_calls) == ("upstream_400", 0)
    assert made.ended_because == older.ended_because != ""


def test_a_dropped_case_is_left_out_and_a_changed_one_refused(upstream: Upstream) -> None:
    older = shouted(upstream)
    fewer = republished(looser(8))
    assert regraded(older, version=fewer).n_expected == 8
    other = [replace(case, input=[{"role": "user", "content": "else"}]) for case in looser(1).cases]
    changed = republished(looser(12, cases=[*other, *looser(12).cases[1:]]))
    with pytest.raises(InvalidMove, match="1 of 12 cases .*c00000"):
        regraded(older, version=changed)
    longer = republished(looser(12, request={"max_tokens": 99}))
    with pytest.raises(InvalidMove, match="12 of 12 cases"):
        regraded(older, version=longer)
    more = republished(looser(13))
    with pytest.raises(InvalidMove, match="c00012"):
        regraded(older, version=more)


def test_a_regrade_of_a_regrade_names_the_run_that_called(upstream: Upstream) -> None:
    older = shouted(upstream)
    republished(looser())
    first = regraded(older)
    republished(looser(12, graders=[{"type": "string_check", "operation": "ne"}]))
    assert regraded(first).regraded_from == older


def test_what_cannot_be_graded_again(upstream: Upstream) -> None:
    older = shouted(upstream)
    cast = shared.cast()
    with pytest.raises(InvalidMove, match="no newer"):
        regraded(older)
    republished(looser())
    with pytest.raises(NotPermitted):
        regrades.regrade_run(actor=cast.auditor, run=older, reason="no")
    with pytest.raises(InvalidInput, match="Say why"):
        regrades.regrade_run(actor=cast.engineer, run=older, reason=" ")
    open_run = builders.start(older.version, older.checkpoint)
    with pytest.raises(InvalidMove, match="only completed"):
        regraded(open_run)


def test_models_are_asked_only_after_their_cost_was_accepted(
    upstream: Upstream,
    judge: Upstream,  # noqa: F811  the fixture
) -> None:
    older = shouted(upstream)
    republished(looser(12, graders=[JUDGE]))
    with pytest.raises(InvalidMove, match="12 calls of judge, what that costs is not known"):
        regraded(older)
    assert judge.n_calls == 0
    made = regraded(older, accept_calls=True)
    assert (made.state, judge.n_calls) == (RunState.COMPLETED, 12)
    older = builders.execute(builders.start(made.version, older.checkpoint))
    republished(looser(12, graders=[{**JUDGE, "name": "again"}]))
    cost = regrades.regrade_cost(run=older, version=made.version)
    assert (cost.n_calls, cost.cost_micros, cost.models) == (12, 12 * 28, ("judge",))


def test_what_another_tool_called_stays_imported_evidence(upstream: Upstream) -> None:
    older = shouted(upstream)
    newer = republished(looser())
    made = regraded(older)
    Run.objects.filter(pk=older.pk).update(source=RunSource.IMPORTED.value)
    assert reads.is_imported(reads.run_with_id(made.pk))
    assert reads.newest_completed(newer, older.checkpoint_id, imported=False) is None


def test_a_regrade_taken_over_grades_the_rest(upstream: Upstream) -> None:
    older = shouted(upstream)
    republished(looser())
    made = regrades.regrade_run(actor=builders.DEMO, run=older, reason="again")
    leases.claim(made.shards.get().pk)
    shards.run_shard(made.shards.get().pk)
    assert not made.results.exists(), "another worker holds it"
    made.shards.update(state="queued")
    assert builders.execute(made).state == RunState.COMPLETED
