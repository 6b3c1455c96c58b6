"""Comparisons of completed runs, case by case and node by node."""

from __future__ import annotations

import dataclasses

import pytest

from evals.models import Comparison, Run, SuiteVersion
from evals.selectors.comparisons import pairs_of
from evals.selectors.flipped import Way, moved_cases
from evals.selectors.method_inputs import comparison_input
from evals.selectors.tries import tries_of
from evals.selectors.uncompared import uncompared
from evals.services import comparisons, suites
from evals.states import ResultState
from infra.errors import InvalidInput, InvalidMove, NotFound
from releases.statistics.paired import paired_delta
from tests.evals import builders
from tests.evals.upstream import Reply, Upstream, completion, failure

pytestmark = pytest.mark.django_db


def ran(version: SuiteVersion, upstream: Upstream, name: str, *wrong: int, **options: int) -> Run:
    """A completed run of a new checkpoint that gets those cases wrong."""
    words = {f"word-{number}" for number in wrong}
    upstream.rules.insert(0, lambda text, n: completion("no idea") if text in words else None)
    run = builders.execute(
        builders.start(version, builders.served(upstream.base_url, name), **options)
    )
    upstream.rules.pop(0)
    return run


def node(comparison: Comparison, label: str) -> dict[str, object]:
    return next(found for found in comparison.nodes if found["node"] == label)


def test_each_node_has_its_delta_interval_and_sentence(upstream: Upstream) -> None:
    version = builders.published(60)
    baseline = ran(version, upstream, "old", *range(0, 60, 2))
    candidate = ran(version, upstream, "new", *range(1, 30, 2))
    made = comparisons.compare(candidate_run=candidate, baseline_run=baseline, margin=0.02)
    assert [found["node"] for found in made.nodes] == ["", "echo", "echo.first", "echo.second"]
    first, second = node(made, "echo.first"), node(made, "echo.second")
    assert (first["n"], first["delta"], first["verdict"]) == (30, -0.5, "regression")
    assert (second["n"], second["delta"], second["verdict"]) == (30, 1.0, "better")
    assert node(made, "")["delta"] == pytest.approx(0.25)
    assert "-50.0 pts" in str(first["sentence"])
    assert (made.n_unmatched, made.n_errored) == (0, 0)


def test_the_same_inputs_give_the_kept_comparison(upstream: Upstream) -> None:
    version = builders.published(12)
    pair = {
        "candidate_run": ran(version, upstream, "new"),
        "baseline_run": ran(version, upstream, "old", 1),
    }
    first = comparisons.compare(**pair, margin=0.05)
    assert comparisons.compare(**pair, margin=0.05).pk == first.pk
    assert comparisons.compare(**pair, margin=0.1).pk != first.pk


def test_errored_cases_are_counted_and_never_a_zero(upstream: Upstream) -> None:
    version = builders.published(40)
    baseline = ran(version, upstream, "old")
    upstream.rules.append(lambda text, n: failure(400) if text == "word-5" else None)
    candidate = ran(version, upstream, "new")
    made = comparisons.compare(candidate_run=candidate, baseline_run=baseline, margin=0.2)
    assert made.n_errored == 1
    assert (node(made, "")["n"], node(made, "")["n_missing"]) == (39, 1)
    assert node(made, "echo.first")["n_missing"] == 1
    assert node(made, "echo.second")["n_missing"] == 0
    assert node(made, "")["delta"] == 0.0
    pairs = pairs_of(made, "echo.first")
    whole, first = uncompared(made, pairs), uncompared(made, pairs, "echo.first")
    assert (whole.n_lost, first.n_lost, whole.n_unmatched) == (1, 1, 0)
    (lost,) = first.lost
    assert (lost.case_id, lost.arm, lost.state) == ("c00005", "new", "errored")
    assert "400" in lost.why
    errored = whole.states.index(ResultState.ERRORED)
    assert [arm.counts[errored] for arm in whole.arms] == [1, 0]


def test_cases_that_changed_between_versions_are_unmatched(upstream: Upstream) -> None:
    first = builders.published(20)
    spec = builders.suite_spec(20)
    changed = dataclasses.replace(spec.cases[3], target="another")
    cases = [changed if case.case_id == changed.case_id else case for case in spec.cases]
    spec = dataclasses.replace(spec, cases=[*cases, builders.case(20)])
    second = suites.import_suite(actor=builders.DEMO, name="echo", suite=spec).version
    made = comparisons.compare(
        candidate_run=ran(second, upstream, "new"), baseline_run=ran(first, upstream, "old")
    )
    assert (node(made, "")["n"], made.n_unmatched) == (19, 3)
    assert uncompared(made, pairs_of(made, "")).n_unmatched == 3
    assert node(made, "echo.first")["n_unshared"] == 2
    assert node(made, "echo.second")["n_unshared"] == 1


def test_runs_graded_differently_are_not_compared(upstream: Upstream) -> None:
    first = builders.published(12)
    other = [{"type": "string_check", "operation": "like"}]
    second = builders.published(12, graders=other)
    with pytest.raises(InvalidInput, match="differ in their graders"):
        comparisons.compare(
            candidate_run=ran(second, upstream, "new"), baseline_run=ran(first, upstream, "old")
        )


def test_a_run_that_is_not_over_is_not_compared(upstream: Upstream) -> None:
    version = builders.published(12)
    open_run = builders.start(version, builders.served(upstream.base_url, "new"))
    with pytest.raises(InvalidMove, match="is queued"):
        comparisons.compare(candidate_run=open_run, baseline_run=ran(version, upstream, "old"))


def test_repeats_are_averaged_within_their_case(upstream: Upstream) -> None:
    version = builders.published(20)
    baseline = ran(version, upstream, "old", 2, repeats=3)
    half: list[str] = []

    def once(text: str, n: int) -> Reply | None:
        if text != "word-4":
            return None
        half.append(text)
        return completion("no idea") if len(half) % 2 else None

    upstream.rules.append(once)
    candidate = ran(version, upstream, "new", repeats=4)
    made = comparisons.compare(candidate_run=candidate, baseline_run=baseline)
    assert node(made, "")["n"] == 20
    assert node(made, "")["delta"] == pytest.approx((1 - 0.5) / 20)


def test_flipped_cases_stand_side_by_side_both_ways(upstream: Upstream) -> None:
    version = builders.published(12)
    made = comparisons.compare(
        candidate_run=ran(version, upstream, "new", 1, 4),
        baseline_run=ran(version, upstream, "old", 6),
    )
    pairs = pairs_of(made, "echo.first")
    whole, first = moved_cases(made, pairs), moved_cases(made, pairs, "echo.first")
    assert whole[Way.LOST].case_ids == ["c00001", "c00004"]
    assert whole[Way.GAINED].case_ids == ["c00006"]
    assert first[Way.LOST].case_ids == ["c00001"]
    assert first[Way.GAINED].case_ids == []
    (lost,) = whole[Way.LOST][:1]
    assert (lost.candidate.score, lost.baseline.score) == (0.0, 1.0)
    assert lost.candidate.output is not None
    assert (lost.candidate.output.text, lost.target) == ("no idea", "word-1")
    assert "no idea" in lost.candidate.explanation
    assert [case.case_id for case in whole[Way.LOST][1:2]] == ["c00004"]
    with pytest.raises(NotFound, match="echo.first"):
        pairs_of(made, "echo.third")


def test_a_nodes_numbers_come_out_of_the_statistics_command_again(upstream: Upstream) -> None:
    version = builders.published(40)
    clustered = [
        dataclasses.replace(case, cluster=f"doc-{number // 4}")
        for number, case in enumerate(builders.suite_spec(40).cases)
    ]
    version = builders.published(40, cases=clustered)
    made = comparisons.compare(
        candidate_run=ran(version, upstream, "new", 3, 7, 8),
        baseline_run=ran(version, upstream, "old", *range(10, 25)),
        margin=0.1,
    )
    given = comparison_input(made, "echo.first").given
    again, kept = paired_delta(**given), node(made, "echo.first")
    assert len(given["cluster"]) == 20
    assert (again.delta, again.lo, again.hi) == (kept["delta"], kept["lo"], kept["hi"])


def test_a_win_among_siblings_is_corrected_for_their_number(upstream: Upstream) -> None:
    version = builders.published(40)
    parent = builders.served(upstream.base_url, "parent")
    baseline = builders.execute(builders.start(version, parent))
    made = []
    for name in ("one", "two", "three"):
        child = builders.served(upstream.base_url, name, parent=parent)
        run = builders.execute(builders.start(version, child))
        made.append(comparisons.compare(candidate_run=run, baseline_run=baseline))
    alone = comparisons.compare(candidate_run=baseline, baseline_run=made[0].candidate)
    assert (tries_of(alone).n_tried, tries_of(alone).sentence) == (1, "")
    tries, root = tries_of(made[0]), node(made[0], "")
    assert tries.n_tried == 3
    assert tries.p_corrected == pytest.approx(min(1.0, 3 * float(str(root["p_better"]))))
    assert "one of 3 variants tried on this suite" in tries.sentence
