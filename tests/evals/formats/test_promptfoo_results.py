"""Results that promptfoo 0.121.20 wrote of the config beside them, two repeats of each test.

The upstream was a small local server. Only the HTTP headers of its answers were left out.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from evals import formats
from evals.formats.contract import FormatError
from evals.formats.results import RunLog, check_log
from evals.services import run_imports
from tests import builders
from tests.evals.builders import DEMO
from tests.evals.formats.canonical import canonical, every_field

RECORDED = Path(__file__).parent / "promptfoo_recorded"
RESULTS = RECORDED / "results.json"


def log_of(change: Any = None, path: Path | None = None) -> RunLog:
    if path is None:
        return formats.read_run("promptfoo", RESULTS)
    whole = json.loads(RESULTS.read_text(encoding="utf-8"))
    change(whole)
    file = path / "out.json"
    file.write_text(json.dumps(whole), encoding="utf-8")
    return formats.read_run("promptfoo", file)


def stats() -> Any:
    return json.loads(RESULTS.read_text(encoding="utf-8"))["results"]["stats"]


def test_counts_are_those_that_promptfoo_states() -> None:
    log = log_of()
    check_log(log, RESULTS.name)
    states = Counter(result.state.value for result in log.results)
    assert states["passed"] == stats()["successes"] == 12
    assert states["failed"] == stats()["failures"] == 8
    assert states["errored"] == stats()["errors"] == 4
    assert (len(log.suite.cases), log.repeats) == (12, 2)
    assert (log.model, log.tool) == ("openai:chat:mock-1", "promptfoo 0.121.20")


def test_answers_tokens_and_latency_are_kept() -> None:
    first = log_of().results[0]
    assert first.output is not None and first.output.text == "Paris"
    assert (first.output.finish_reason, first.tokens_in, first.tokens_out) == ("stop", 11, 4)
    assert first.latency_ms and first.cost_micros is None


def test_failed_call_is_errored_with_its_reason_and_has_no_score() -> None:
    errored = [result for result in log_of().results if result.state == "errored"]
    assert all(result.score is None and not result.components for result in errored)
    assert all("no such place" in result.error_message for result in errored)
    assert {result.error_code for result in errored} == {"promptfoo_error"}


def test_assertion_without_a_grader_here_keeps_its_scores() -> None:
    log = log_of()
    kinds = {spec["type"] for case in log.suite.cases for spec in case.graders}
    assert "external" in kinds
    assert log.results[0].components["short"].score == 1.0
    assert any("assert javascript" in sentence for sentence in log.not_expressible)


def test_cases_are_those_of_the_config() -> None:
    of_config = {case.case_id: case for case in formats.read("promptfoo", RECORDED).cases}
    of_log = {case.case_id: case for case in formats.read("promptfoo", RESULTS).cases}
    assert of_config.keys() == of_log.keys()
    for name, case in of_log.items():
        assert case.input == of_config[name].input
        if all(spec["type"] != "external" for spec in case.graders):
            assert case.digest() == of_config[name].digest(), name


@pytest.mark.django_db
def test_imported_run_has_the_metric_values_that_promptfoo_states() -> None:
    builders.cast()
    log = log_of()
    checkpoint = builders.checkpoint("chat-nano-1")
    made = run_imports.import_run(
        actor=DEMO, log=log, checkpoint=checkpoint, format_name="promptfoo"
    )
    ours = {metric.node: metric.mean for metric in made.run.metrics.all()}
    compared = {one.node: one.value for one in log.stated if one.node is not None}
    assert set(compared) == {"", "form", "manners", "py", "rouge", "set", "short"}
    for node, value in compared.items():
        assert ours[node] == pytest.approx(value, abs=1e-12), node


def test_results_of_an_exported_suite_come_back_to_it() -> None:
    """`exported.json` is what promptfoo wrote of the export of `every_field`."""
    log = formats.read_run("promptfoo", RECORDED / "exported.json")
    check_log(log, "exported.json")
    assert canonical(log.suite) == canonical(every_field())
    assert {one.case_id: set(one.components) for one in log.results} == {
        "fr": {"geo.europe", "form"},
        "日本 {{x}}": {"geo.asia", "form"},
    }


def _two_providers(whole: Any) -> None:
    whole["results"]["results"][0]["provider"]["id"] = "openai:chat:other"


def test_results_of_several_models_ask_for_one(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="out.json#openai:chat:mock-1"):
        log_of(_two_providers, tmp_path)
    chosen = formats.read_run("promptfoo", tmp_path / "out.json#openai:chat:other")
    assert len(chosen.results) == 1


def _grader_error(whole: Any) -> None:
    parts = whole["results"]["results"][0]["gradingResult"]["componentResults"]
    parts[0]["metadata"] = {"graderError": True}


def test_grader_that_could_not_answer_is_an_error_not_a_zero(tmp_path: Path) -> None:
    first = log_of(_grader_error, tmp_path).results[0]
    assert (first.state, first.score, first.error_code) == (
        "errored",
        None,
        "promptfoo_grader_error",
    )


REFUSED: list[tuple[Any, str]] = [
    (lambda whole: whole["results"].update(version=2), "results.version"),
    (lambda whole: whole["results"].update(results=[]), "results.results"),
    (lambda whole: whole["results"].update(results={}), "results.results"),
    (lambda whole: whole["results"]["results"][0].pop("prompt"), "results.results[0].prompt.raw"),
]


@pytest.mark.parametrize(("change", "field_name"), REFUSED)
def test_bad_results_are_refused_by_field(tmp_path: Path, change: Any, field_name: str) -> None:
    with pytest.raises(FormatError) as refused:
        log_of(change, tmp_path)
    assert refused.value.field_name == field_name
