"""Output items of OpenAI's Evals API as runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evals import formats
from evals.formats.contract import FormatError
from evals.formats.results import RunLog, check_log
from evals.services import run_imports
from tests import builders
from tests.evals.builders import DEMO
from tests.evals.formats.canonical import suites
from tests.evals.formats.test_openai_evals import EVAL, ROWS, RUN

ANSWERS = ["Hardware", "v1.0", ""]
MORE_ROWS = [*ROWS, {"item": {"ticket": "Where is Bob?", "label": "Other"}}]


def output_item(number: int, **changes: Any) -> dict[str, Any]:
    item = MORE_ROWS[number]["item"]
    answer = ANSWERS[number]
    results = [
        {"name": "Label-3f2a", "passed": answer == item["label"],
         "score": float(answer == item["label"]), "type": "string_check"},
        {"name": "No v1.0", "passed": answer != "v1.0", "score": float(answer != "v1.0")},
    ]  # fmt: skip
    whole = {
        "id": f"outputitem_{number}",
        "object": "eval.run.output_item",
        "eval_id": "eval_1",
        "run_id": "evalrun_1",
        "created_at": 1739314600,
        "status": "pass" if all(one["passed"] for one in results) else "fail",
        "datasource_item": item,
        "datasource_item_id": number,
        "results": results,
        "sample": {
            "error": None,
            "finish_reason": "stop",
            "input": [],
            "output": [{"role": "assistant", "content": answer}],
            "model": "gpt-4.1-2025-04-14",
            "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11},
        },
    }
    return {**whole, **changes}


FAILURE = {"code": "server_error", "message": "The model was overloaded."}
FAILED_ITEM = output_item(2, status="error", results=[], sample={"error": FAILURE, "output": []})
RUN_READ = {
    **RUN,
    "id": "evalrun_1",
    "object": "eval.run",
    "created_at": 1739314590,
    "model": "gpt-4.1",
    "result_counts": {"total": 3, "passed": 1, "failed": 1, "errored": 1},
    "per_testing_criteria_results": [
        {"testing_criteria": "Label-3f2a", "passed": 1, "failed": 1},
        {"testing_criteria": "No v1.0", "passed": 1, "failed": 1},
    ],
}
ITEMS = [output_item(0), output_item(1), FAILED_ITEM]


def log_of(
    path: Path,
    items: Any = ITEMS,
    run: Any = RUN_READ,
    rows: Any = MORE_ROWS,
    whole: Any = EVAL,
) -> RunLog:
    (path / "eval.json").write_text(json.dumps(whole), encoding="utf-8")
    if run:
        (path / "run.json").write_text(json.dumps(run), encoding="utf-8")
    if rows:
        (path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    page = {"object": "list", "data": items, "has_more": False}
    (path / "items.json").write_text(json.dumps(page), encoding="utf-8")
    return formats.read_run("openai-evals", path)


def test_output_items_are_results_of_the_rows_cases(tmp_path: Path) -> None:
    log = log_of(tmp_path)
    check_log(log, "items.json")
    found = [(one.case_id, one.state.value, one.score, one.error_code) for one in log.results]
    assert found == [
        ("row-0", "passed", 1.0, ""),
        ("row-1", "failed", 0.0, ""),
        ("row-2", "errored", None, "server_error"),
    ]
    first = log.results[0]
    assert first.output is not None and first.output.text == "Hardware"
    assert (first.tokens_in, first.tokens_out, log.model) == (9, 2, "gpt-4.1")
    assert {label: share.score for label, share in first.components.items()} == {
        "Label": 1.0,
        "No v1\\.0": 1.0,
    }
    assert not log.not_expressible


def test_counts_that_do_not_fit_the_items_are_told(tmp_path: Path) -> None:
    run = {**RUN_READ, "result_counts": {"total": 3, "passed": 2, "failed": 0, "errored": 1}}
    assert log_of(tmp_path, run=run).not_expressible == (
        "run.json, result_counts.passed: says 2, its output items say 1",
        "run.json, result_counts.failed: says 0, its output items say 1",
    )


@pytest.mark.django_db
def test_imported_run_has_the_values_that_openai_states(tmp_path: Path) -> None:
    builders.cast()
    log = log_of(tmp_path)
    made = run_imports.import_run(
        actor=DEMO,
        log=log,
        checkpoint=builders.checkpoint("chat-nano-1"),
        format_name="openai-evals",
    )
    ours = {metric.node: metric.mean for metric in made.run.metrics.all()}
    compared = {one.node: one.value for one in log.stated if one.node is not None}
    assert compared == {"Label": 0.5, "No v1\\.0": 0.5}
    assert {node: ours[node] for node in compared} == compared


def test_items_alone_make_the_suite_when_the_data_is_gone(tmp_path: Path) -> None:
    log = log_of(tmp_path, rows=None)
    assert [case.case_id for case in log.suite.cases] == ["row-0", "row-1", "row-2"]
    assert len(log.results) == 3


def test_second_answer_to_a_row_is_a_repeat(tmp_path: Path) -> None:
    log = log_of(tmp_path, items=[*ITEMS, output_item(0, id="again")])
    assert log.repeats == 2
    assert [(one.case_id, one.repeat) for one in log.results][-1] == ("row-0", 1)


def test_score_outside_the_unit_interval_is_kept_as_passed_and_told(tmp_path: Path) -> None:
    graded = [{"name": "Label", "passed": True, "score": 6.0}]
    log = log_of(tmp_path, items=[output_item(0, results=graded)])
    assert log.results[0].score == 1.0
    assert "outside the criterion's range" in log.not_expressible[0]
    assert log.not_expressible[0].startswith("items.json, data[0].results[0].score")


def test_score_of_a_range_is_mapped_to_the_unit_interval(tmp_path: Path) -> None:
    asked = [{"role": "user", "content": "{{sample.output_text}}"}]
    tone = {"type": "score_model", "name": "Tone", "model": "m", "input": asked, "range": [1, 7]}
    graded = [{"name": "Tone-1a", "passed": True, "score": 5.5}]
    whole = {**EVAL, "testing_criteria": [{**tone, "pass_threshold": 5}]}
    log = log_of(tmp_path, items=[output_item(0, results=graded)], whole=whole)
    assert log.results[0].components["Tone"].score == log.results[0].score == 0.75


def test_items_tell_what_was_sent_when_the_run_is_gone(tmp_path: Path) -> None:
    sent = [{"role": "user", "content": "Sort this."}]
    item = output_item(0, sample={"input": sent, "output": []})
    log = log_of(tmp_path, items=[item], run=None, rows=None)
    assert log.suite.cases[0].input == sent


def test_answers_to_an_exported_suite_come_back_to_its_cases(tmp_path: Path) -> None:
    suite = suites()["sql"]
    formats.write("openai-evals", suite, tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "data.jsonl").read_text().splitlines()]
    items = [
        output_item(0, datasource_item=row["item"], datasource_item_id=number)
        for number, row in enumerate(rows)
    ]
    (tmp_path / "items.json").write_text(json.dumps(items), encoding="utf-8")
    log = formats.read_run("openai-evals", tmp_path)
    assert [one.case_id for one in log.results] == [case.case_id for case in suite.cases]
    assert log.suite.digest() == suite.digest()


REFUSED: list[tuple[Any, str, str]] = [
    ([], "", "no output item"),
    ([output_item(0), output_item(1, run_id="other")], "", "items of 2 runs"),
    ([output_item(0, datasource_item={"ticket": "?"}, datasource_item_id=99)],
     "data[0].datasource_item", "no row of the data"),
    ([output_item(0, results="x")], "data[0].results", "must be a list"),
]  # fmt: skip


@pytest.mark.parametrize(("items", "field_name", "said"), REFUSED)
def test_bad_items_are_refused_by_field(
    tmp_path: Path, items: Any, field_name: str, said: str
) -> None:
    with pytest.raises(FormatError, match=said) as refused:
        log_of(tmp_path, items=items)
    assert refused.value.field_name == field_name
