"""Evals of OpenAI's API: as its users have them, refused by place, and suites there and back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evals import formats, graders
from evals.formats.contract import FormatError, SuiteSpec
from evals.formats.openai_evals import criteria
from evals.graders.contract import GradedCase, Policy, Sample
from tests.evals.formats.canonical import canonical, suites

CRITERIA: list[dict[str, Any]] = [
    {
        "type": "string_check",
        "name": "Label",
        "input": "{{ sample.output_text }}",
        "reference": "{{ item.label }}",
        "operation": "eq",
    },
    {
        "type": "string_check",
        "name": "No v1.0",
        "input": "{{sample.output_text}}",
        "reference": "v1.0",
        "operation": "ne",
    },
]
EVAL: dict[str, Any] = {
    "id": "eval_1",
    "object": "eval",
    "created_at": 1739314509,
    "name": "IT Tickets",
    "data_source_config": {
        "type": "custom",
        "item_schema": {
            "type": "object",
            "properties": {"ticket": {"type": "string"}, "label": {"type": "string"}},
            "required": ["ticket", "label"],
        },
        "include_sample_schema": True,
    },
    "testing_criteria": CRITERIA,
    "metadata": {"team": "support"},
}
ROWS = [
    {"item": {"ticket": "My monitor won't turn on!", "label": "Hardware"}},
    {"item": {"ticket": "I'm in vim and I can't quit!", "label": "Software"}},
]
TEMPLATE = [
    {"role": "developer", "content": "Categorize the ticket."},
    {"role": "user", "content": {"type": "input_text", "text": "{{ item.ticket }}"}},
]
RUN: dict[str, Any] = {
    "name": "first",
    "data_source": {
        "type": "responses",
        "model": "gpt-4.1",
        "input_messages": {"type": "template", "template": TEMPLATE},
        "source": {"type": "file_id", "id": "file-abc"},
        "sampling_params": {"max_completion_tokens": 20, "temperature": 0, "logprobs": True},
    },
}


def folder(path: Path, whole: Any = EVAL, run: Any = RUN, rows: Any = ROWS) -> Path:
    (path / "eval.json").write_text(json.dumps(whole, indent=1), encoding="utf-8")
    if run:
        (path / "run.json").write_text(json.dumps(run), encoding="utf-8")
    if rows:
        text = "\n".join(json.dumps(row) for row in rows)
        (path / "tickets.jsonl").write_text(text, encoding="utf-8")
    return path


def read(path: Path) -> SuiteSpec:
    return formats.read("openai-evals", path)


def refusal(path: Path) -> FormatError:
    with pytest.raises(FormatError) as refused:
        read(path)
    return refused.value


def test_eval_with_its_run_and_data_becomes_a_suite(tmp_path: Path) -> None:
    suite = read(folder(tmp_path))
    assert suite.name == "it-tickets"
    assert [case.case_id for case in suite.cases] == ["row-0", "row-1"]
    assert suite.cases[0].input == [
        {"role": "developer", "content": "Categorize the ticket."},
        {"role": "user", "content": "My monitor won't turn on!"},
    ]
    assert suite.request == {"max_completion_tokens": 20, "temperature": 0}
    assert suite.components == {"Label": "Criterion Label", "No v1\\.0": "Criterion No v1.0"}


def test_what_a_suite_cannot_hold_is_listed_with_its_place(tmp_path: Path) -> None:
    assert read(folder(tmp_path)).not_expressible == (
        'eval.json, metadata.team: "support": a suite has no such field',
        "run.json, data_source.model: gpt-4.1: a suite names no model; the run's checkpoint "
        "answers",
        "run.json, data_source.sampling_params.logprobs: is not known here",
    )


@pytest.mark.parametrize(("answer", "score"), [("Hardware", 1.0), ("Software", 0.5), ("v1.0", 0)])
def test_criteria_grade_by_the_items_own_fields(tmp_path: Path, answer: str, score: float) -> None:
    suite = read(folder(tmp_path))
    grade = graders.grade_sample(
        suite.graders, suite.cases[0].graded(), Sample(output_text=answer), Policy()
    )
    assert grade.score == score
    assert set(grade.components) == {"Label", "No v1\\.0"}


@pytest.mark.parametrize("kept", ["one file", "page of a list", "inline content"])
def test_objects_are_found_wherever_they_stand(tmp_path: Path, kept: str) -> None:
    expected = read(folder(tmp_path / "a" if (tmp_path / "a").mkdir() is None else tmp_path))
    content = {"type": "file_content", "content": ROWS}
    inline = {**RUN, "data_source": {**RUN["data_source"], "source": content}}
    whole: Any = {
        "one file": {"eval": EVAL, "runs": [RUN], "data": ROWS},
        "page of a list": [EVAL, {"object": "list", "data": [RUN]}, {"rows": ROWS}],
        "inline content": {"eval": EVAL, "run": inline},
    }[kept]
    path = tmp_path / "all.json"
    path.write_text(json.dumps(whole), encoding="utf-8")
    assert read(path).digest() == expected.digest()


def test_data_beside_the_evals_file_belongs_to_it(tmp_path: Path) -> None:
    whole = {"eval": EVAL, "run": RUN}
    (tmp_path / "it.json").write_text(json.dumps(whole), encoding="utf-8")
    (tmp_path / "it.jsonl").write_text("\n".join(map(json.dumps, ROWS)), encoding="utf-8")
    assert len(read(tmp_path / "it.json").cases) == 2


def test_rows_of_reinforcement_fine_tuning_are_items(tmp_path: Path) -> None:
    row = {"messages": [{"role": "user", "content": "2+2?"}], "label": "4", "id": 7}
    path = folder(tmp_path, {"grader": CRITERIA[0]}, None, [row])
    suite = read(path)
    assert suite.cases[0].case_id == "7"
    assert suite.cases[0].input == row["messages"]
    assert suite.cases[0].metadata == {"item": row}


def _eval(**changes: Any) -> dict[str, Any]:
    return {**EVAL, **changes}


def _asks(template: Any) -> dict[str, Any]:
    return {"data_source": {"type": "completions", "input_messages": template}}


NO_LABEL = {"item": {"ticket": "x"}}
REFUSED: list[tuple[str, Any, Any, Any, str, int | None, str, str]] = [
    ("no eval", ROWS[0], RUN, ROWS, "?", None, "", "holds no eval"),
    ("two evals", [EVAL, EVAL], RUN, ROWS, "?", None, "", "holds 2 evals"),
    ("stray object", {"x": []}, RUN, ROWS, "eval.json", None, "", "no object of the Evals API"),
    ("no rows", EVAL, RUN, None, "?", None, "", "file-abc at OpenAI: download it"),
    ("row off schema", EVAL, RUN, [ROWS[0], NO_LABEL], "tickets.jsonl", 2, "item", "'label'"),
    (
        "unknown variable",
        _eval(data_source_config={"type": "custom"}),
        _asks({"type": "template", "template": [{"role": "user", "content": "{{item.body}}"}]}),
        ROWS,
        "tickets.jsonl",
        1,
        "item.body",
        "does not have",
    ),
    (
        "reference",
        EVAL,
        _asks({"type": "item_reference", "item_reference": "sample.x"}),
        ROWS,
        "run.json",
        None,
        "data_source.input_messages.item_reference",
        "no path like item.input",
    ),
    ("nothing asked", EVAL, None, ROWS, "tickets.jsonl", 1, "item", "no run says what is asked"),
    (
        "no usable criterion",
        _eval(testing_criteria=[{"type": "vibes", "name": "Vibes"}]),
        RUN,
        ROWS,
        "eval.json",
        None,
        "testing_criteria",
        "criterion 'Vibes': there is no grader 'vibes' here",
    ),
    (
        "criteria",
        _eval(testing_criteria={}),
        RUN,
        ROWS,
        "eval.json",
        None,
        "testing_criteria",
        "a list",
    ),
]


@pytest.mark.parametrize(
    ("name", "whole", "run", "rows", "file", "line", "field_name", "said"),
    REFUSED,
    ids=[row[0] for row in REFUSED],
)
def test_bad_file_is_refused_by_its_place(
    tmp_path: Path, name: str, whole: Any, run: Any, rows: Any, file: str, line: int | None,
    field_name: str, said: str,
) -> None:  # fmt: skip
    error = refusal(folder(tmp_path, whole, run, rows))
    assert error.file == (file if file != "?" else tmp_path.name)
    assert (error.line, error.field_name) == (line, field_name)
    assert said in error.message


@pytest.mark.parametrize("text", ["", "{", '{"a": NaN}', "[" * 100_000, "\x00", '"text"'])
def test_garbage_is_refused_and_never_crashes(tmp_path: Path, text: str) -> None:
    (tmp_path / "eval.json").write_text(text, encoding="utf-8")
    assert refusal(tmp_path).file == "eval.json"


def test_two_rows_with_one_id_get_ids_by_their_number(tmp_path: Path) -> None:
    rows = [{"item": {**row["item"], "id": "same"}} for row in ROWS]
    assert [case.case_id for case in read(folder(tmp_path, rows=rows)).cases] == ["row-0", "row-1"]


@pytest.mark.parametrize("name", sorted(suites()))
@pytest.mark.parametrize("target", ["folder", "one.json"])
def test_suite_comes_back_as_it_went(tmp_path: Path, name: str, target: str) -> None:
    suite = suites()[name]
    formats.write("openai-evals", suite, tmp_path / target)
    back = read(tmp_path / target)
    assert canonical(back) == canonical(suite)
    assert not back.not_expressible


def test_what_openai_would_not_see_is_listed_on_export(tmp_path: Path) -> None:
    lost = formats.write("openai-evals", suites()["every_field"], tmp_path / "x")
    named = [sentence.split(":")[0] for sentence in lost]
    assert named == [
        "graders, string_check-1",
        "graders, regex-3",
        "description",
        "owner",
        "canary",
        "components",
        "policy.refusal_patterns",
        "request (stop)",
        "tools of 1 of 2 cases (日本 {{x}})",
        "request of 1 of 2 cases (日本 {{x}})",
        "graders of 1 of 2 cases (日本 {{x}})",
        "components of 2 of 2 cases (fr, 日本 {{x}})",
        "cluster of 1 of 2 cases (fr)",
    ]


def test_what_was_edited_after_an_export_is_what_counts(tmp_path: Path) -> None:
    formats.write("openai-evals", suites()["every_field"], tmp_path)
    whole = json.loads((tmp_path / "eval.json").read_text(encoding="utf-8"))
    whole["testing_criteria"][1]["reference"] = "London"
    (tmp_path / "eval.json").write_text(json.dumps(whole), encoding="utf-8")
    back = read(tmp_path)
    assert back.graders[1]["reference"] == "London"
    assert [sentence.split(":")[0] for sentence in back.not_expressible] == [
        "eval.json, testing_criteria[1]"
    ]


def _run_source(source: str, answer: str, item: dict[str, Any]) -> float:
    space: dict[str, Any] = {}
    exec(source, space)  # noqa: S102  the source that is under test
    return float(space["grade"]({"output_text": answer}, item))


PYTHON: list[tuple[dict[str, Any], Any, str]] = [
    ({"type": "regex", "pattern": "^'\\d\"$"}, None, "'4\""),
    ({"type": "regex", "pattern": "^'\\d\"$", "negate": True}, None, "'4\""),
    (
        {"type": "regex", "pattern": "PARIS", "ignore_case": True, "match": "fullmatch"},
        None,
        "paris",
    ),
    ({"type": "numeric"}, 1250, "It costs 1,250 or 12.5e2"),
    ({"type": "numeric", "take": "first", "absolute": 1}, 7, "7.5 then 9"),
    ({"type": "numeric", "take": "only"}, 7, "7 and 7"),
    ({"type": "json_schema", "schema": {"type": "object", "required": ["a"]}}, None, '{"a": 1}'),
    ({"type": "json_schema"}, {"type": "array"}, '{"a": 1}'),
    ({"type": "json_schema", "schema": True}, None, "{"),
]


@pytest.mark.parametrize(("spec", "target", "answer"), PYTHON)
def test_python_written_for_openai_scores_as_the_grader_does(
    spec: dict[str, Any], target: Any, answer: str
) -> None:
    written, _ = criteria.criterion_of(spec, "it")
    case = GradedCase(case_id="1", target=target)
    grade = graders.grade_sample([spec], case, Sample(output_text=answer), Policy())
    assert _run_source(written["source"], answer, {"target": target}) == grade.score


EVERY_KIND: list[dict[str, Any]] = [
    {
        "type": "text_similarity",
        "name": "close",
        "input": "{{sample.output_text}}",
        "reference": "{{item.label}}",
        "evaluation_metric": "fuzzy_match",
        "pass_threshold": 0.8,
    },
    {
        "type": "score_model",
        "name": "tone",
        "model": "gpt-4.1",
        "input": [{"role": "user", "content": "Rate {{sample.output_text}}"}],
        "range": [1, 7],
        "pass_threshold": 5.5,
        "sampling_params": {"temperature": 0, "max_completions_tokens": 64},
    },
    {
        "type": "label_model",
        "name": "kind",
        "model": "gpt-4.1",
        "input": [{"role": "user", "content": "{{sample.output_text}}"}],
        "labels": ["good", "bad"],
        "passing_labels": ["good"],
    },
    {
        "type": "python",
        "name": "code",
        "source": "def grade(sample, item):\n    return 1.0\n",
        "image_tag": "2025-05-08",
    },
]


def test_each_kind_of_criterion_is_read_and_written_alike(tmp_path: Path) -> None:
    suite = read(folder(tmp_path, _eval(testing_criteria=EVERY_KIND)))
    assert [spec["type"] for spec in suite.graders] == [one["type"] for one in EVERY_KIND]
    assert suite.graders[1]["pass_threshold"] == 5.5
    formats.write("openai-evals", suite, tmp_path / "again.json")
    again = json.loads((tmp_path / "again.json").read_text(encoding="utf-8"))
    assert again["eval"]["testing_criteria"] == EVERY_KIND
    assert canonical(read(tmp_path / "again.json")) == canonical(suite)


def test_measure_that_is_not_offered_is_listed_by_name(tmp_path: Path) -> None:
    meteor = {**EVERY_KIND[0], "name": "meaning", "evaluation_metric": "meteor"}
    suite = read(folder(tmp_path, _eval(testing_criteria=[*CRITERIA, meteor])))
    assert len(suite.graders) == 2
    assert "testing_criteria[2]: criterion 'meaning'" in suite.not_expressible[0]


def test_cosine_is_kept_and_told_to_be_of_another_embedding(tmp_path: Path) -> None:
    cosine = {**EVERY_KIND[0], "name": "meaning", "evaluation_metric": "cosine"}
    multi = {
        "type": "multi",
        "name": "both",
        "graders": {"near": cosine},
        "calculate_output": "near",
    }
    suite = read(folder(tmp_path, _eval(testing_criteria=[*CRITERIA, cosine, multi])))
    assert len(suite.graders) == 4
    told = [one for one in suite.not_expressible if "text-embedding-3-large" in one]
    assert ["'meaning'" in told[0], "'both'" in told[1], len(told)] == [True, True, 2]
    _, lost = criteria.criterion_of(suite.graders[2], "meaning")
    assert "WordLlama" in lost


def test_multi_is_written_as_a_map_whatever_it_was(tmp_path: Path) -> None:
    listed = {
        "type": "multi",
        "name": "both",
        "graders": [CRITERIA[0], {**CRITERIA[1], "name": "other"}],
        "calculate_output": "(Label + other) / 2",
    }
    suite = read(folder(tmp_path, {"grader": listed}))
    written, lost = criteria.criterion_of(suite.graders[0], "both")
    assert list(written["graders"]) == ["Label", "other"]
    assert "only fine-tuning takes it" in lost
    formats.write("openai-evals", suite, tmp_path / "again.json")
    assert canonical(read(tmp_path / "again.json")) == canonical(suite)


def test_grader_without_a_counterpart_errors_at_openai_and_never_passes() -> None:
    written, lost = criteria.criterion_of({"type": "ifeval"}, "ifeval-1")
    with pytest.raises(NotImplementedError, match="ifeval"):
        _run_source(written["source"], "", {})
    assert "ifeval" in lost
