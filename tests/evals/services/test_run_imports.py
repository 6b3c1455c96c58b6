"""Imported runs: another tool's results, our metrics, once, and never evidence unasked."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from django.db import IntegrityError, connection

from evals.formats.contract import FormatError
from evals.formats.results import ResultSpec, RunLog, StatedMetric
from evals.graders.contract import ComponentGrade
from evals.models import Metric, Result, Run, SuiteVersion
from evals.outputs import Output, unpack
from evals.selectors import runs as reads
from evals.services import runs, suites
from evals.services.run_imports import import_run
from evals.states import ResultState
from infra.errors import InvalidInput, InvalidMove, NotPermitted
from infra.models import AuditEntry
from releases.models import Checkpoint
from tests import builders as shared
from tests.evals import builders

EXTERNAL = {"type": "external", "tool": "inspect", "scorers": ["match"]}


def result(number: int, **fields: Any) -> ResultSpec:
    """Even cases are right."""
    score = 0.0 if number % 2 else 1.0
    label = "echo.first" if number % 2 else "echo.second"
    values: dict[str, Any] = {
        "case_id": f"c{number:05d}",
        "state": ResultState.PASSED if score else ResultState.FAILED,
        "score": score,
        "components": {label: ComponentGrade(score=score, explanation="said")},
        "output": Output(text=f"answer {number}", finish_reason="stop"),
        "tokens_in": 3,
        "tokens_out": 2,
    }
    return ResultSpec(**{**values, **fields})


def log(n_cases: int = 12, **fields: Any) -> RunLog:
    """A log of the echo suite, half of it right."""
    values: dict[str, Any] = {
        "suite": builders.suite_spec(n_cases, graders=[EXTERNAL]),
        "model": "mockllm/model",
        "results": [result(number) for number in range(n_cases)],
        "stated": [
            StatedMetric(name="match/accuracy", value=0.5, node=""),
            StatedMetric(name="match/stderr", value=0.1),
            StatedMetric(name="second/accuracy", value=0.25, node="echo.second"),
        ],
    }
    return RunLog(**{**values, **fields})


def imported(given: RunLog, checkpoint: Checkpoint, **options: Any) -> Any:
    values = {"actor": builders.DEMO, "format_name": "inspect"}
    return import_run(log=given, checkpoint=checkpoint, **{**values, **options})


@pytest.fixture
def checkpoint(db: None) -> Checkpoint:
    shared.cast()
    return shared.checkpoint()


def test_a_log_becomes_a_completed_run_with_our_metrics(checkpoint: Checkpoint) -> None:
    made = imported(log(), checkpoint)
    run = made.run
    assert (made.is_new, run.state, run.source) == (True, "completed", "imported")
    assert (run.n_expected, run.deployment, str(run.version)) == (12, None, "echo@1")
    root = Metric.objects.get(run=run, node="")
    assert (root.n_cases, root.n_missing, root.mean) == (12, 0, 0.5)
    assert Metric.objects.get(run=run, node="echo.first").mean == 0.0
    first = Result.objects.get(run=run, case__case_id="c00000")
    output = unpack(first.output)
    assert output is not None and output.text == "answer 0"
    assert first.components == {"echo.second": {"score": 1.0, "explanation": "said"}}
    actions = AuditEntry.objects.order_by("seq").values_list("action", flat=True)
    assert list(actions)[-2:] == ["run.imported", "run.completed"]


def test_what_the_tool_stated_stands_beside_what_is_computed(checkpoint: Checkpoint) -> None:
    beside = reads.stated_beside(imported(log(), checkpoint).run)
    assert [(m.name, m.ours, m.agrees) for m in beside] == [
        ("match/accuracy", 0.5, True),
        ("match/stderr", None, None),
        ("second/accuracy", 1.0, False),
    ]


def test_the_same_log_is_imported_once_per_checkpoint(checkpoint: Checkpoint) -> None:
    first = imported(log(), checkpoint)
    shuffled = log(results=list(reversed(log().results)))
    again = imported(shuffled, checkpoint)
    assert (again.is_new, again.run.pk) == (False, first.run.pk)
    other = imported(log(), shared.checkpoint("chat-nano-2"))
    assert other.is_new and Run.objects.count() == 2
    changed = log(results=[result(0, score=0.5, state=ResultState.FAILED), *log().results[1:]])
    assert imported(changed, checkpoint).is_new


def test_two_imports_at_once_make_one_run(committed_db: str) -> None:
    shared.cast()
    row = shared.checkpoint()

    def begin(_: int) -> UUID:
        try:
            return imported(log(), row).run.pk
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        found = set(pool.map(begin, range(6)))
    assert len(found) == 1
    assert (Run.objects.count(), SuiteVersion.objects.count()) == (1, 1)
    assert AuditEntry.objects.filter(action="run.imported").count() == 1


def test_a_partial_log_fits_a_whole_suite_and_the_rest_is_skipped(checkpoint: Checkpoint) -> None:
    suites.import_suite(actor=builders.DEMO, name="echo", suite=log().suite)
    run = imported(log(4), checkpoint).run
    assert (str(run.version), run.n_expected) == ("echo@1", 12)
    states = Result.objects.filter(run=run).values_list("state", flat=True)
    assert sorted(states) == ["failed"] * 2 + ["passed"] * 2 + ["skipped"] * 8
    root = Metric.objects.get(run=run, node="")
    assert (root.n_cases, root.n_missing, root.mean) == (4, 8, 0.5)


def test_repeats_and_errors_keep_their_meaning(checkpoint: Checkpoint) -> None:
    errored = result(
        1, state=ResultState.ERRORED, score=None, components={}, output=None, error_message="boom\0"
    )
    given = [result(0), result(0, repeat=1, score=0.0, state=ResultState.FAILED), errored]
    run = imported(log(2, results=given, repeats=2), checkpoint).run
    assert run.n_expected == 4
    rows = Result.objects.filter(run=run).order_by("case__position", "repeat")
    assert [row.state for row in rows] == ["passed", "failed", "errored", "skipped"]
    assert rows[2].error_message == "boom\ufffd"
    root = Metric.objects.get(run=run, node="")
    assert (root.n_cases, root.n_missing, root.mean) == (1, 1, 0.5)


@pytest.mark.parametrize(
    ("suite", "expected"),
    [
        (log(14).suite, "echo@1 lacks the cases c00012, c00013"),
        (builders.suite_spec(12), "echo@1 has other graders"),
        (
            dataclasses.replace(log().suite, cases=[builders.case(3, target="else")]),
            "holds other content under the case c00003",
        ),
    ],
)
def test_a_log_that_does_not_fit_is_refused_by_name(
    checkpoint: Checkpoint, suite: Any, expected: str
) -> None:
    imported(log(), checkpoint)
    results = [result(3)] if len(suite.cases) == 1 else log().results
    with pytest.raises(InvalidInput, match=expected):
        imported(log(suite=suite, results=results), checkpoint)
    assert imported(log(suite=suite, results=results), checkpoint, suite="other").is_new
    assert Run.objects.count() == 2


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([result(99)], "case c00099#0: a result of a case that the log does not hold"),
        ([result(1), result(1)], "two results for one"),
        ([result(1, repeat=1)], "repeat 1 of a log with 1"),
        ([result(1, score=None)], "failed with a score of None"),
        ([result(1, score=float("nan"))], "outside 0..1"),
        ([result(1, score=1.5)], "a score of 1.5, outside 0..1"),
        ([result(1, state=ResultState.ERRORED)], "errored with a score of 0.0"),
        ([result(1, components={"echo": ComponentGrade(score=-1)})], "a score of -1"),
    ],
)
def test_results_that_make_no_sense_are_refused(
    checkpoint: Checkpoint, given: Any, expected: str
) -> None:
    with pytest.raises(FormatError, match=expected):
        imported(log(results=given), checkpoint)
    assert not Run.objects.exists()


def test_who_may_import(checkpoint: Checkpoint) -> None:
    cast = shared.cast()
    with pytest.raises(NotPermitted, match="import eval runs"):
        imported(log(), checkpoint, actor=cast.auditor)
    with pytest.raises(NotPermitted, match="change suites"):
        imported(log(), checkpoint, actor=cast.engineer)
    suites.import_suite(actor=cast.eval_owner, name="echo", suite=log().suite)
    assert imported(log(), checkpoint, actor=cast.engineer).is_new


def test_a_suite_that_another_tool_scores_is_not_run_here(checkpoint: Checkpoint) -> None:
    version = imported(log(), checkpoint).run.version
    shared.deployment(checkpoint)
    with pytest.raises(InvalidMove, match="scored by inspect .match.*run import"):
        runs.start_run(actor=builders.DEMO, version=version, checkpoint=checkpoint)


def test_the_database_wants_a_deployment_of_a_called_run(checkpoint: Checkpoint) -> None:
    run = imported(log(), checkpoint).run
    with pytest.raises(IntegrityError, match="eval_run_called_deployment"):
        Run.objects.filter(pk=run.pk).update(source="called")
