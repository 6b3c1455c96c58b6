"""Evals of the openai/evals repository: registry YAML, samples, model-graded prompts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from evals import formats, graders
from evals.formats.contract import FormatError, SuiteSpec
from evals.graders.contract import Policy, Sample
from infra.errors import InvalidInput

ASK = [{"role": "system", "content": "Answer."}, {"role": "user", "content": "2+2?"}]
SAMPLES = [{"input": ASK, "ideal": "4"}, {"input": "3+3?", "ideal": ["6", "six"]}]
JUDGING = {
    "closed": {
        "prompt": "Task {input}, answer {completion}, criterion {criteria}. {{Y}} or N?",
        "choice_strings": "YN",
        "choice_scores": {"Y": 1.0, "N": 0.0},
        "input_outputs": {"input": "completion"},
    }
}


def registry(path: Path, kind: str = "basic.match:Match", **args: Any) -> Path:
    """A small copy of the repository's folders; the registry file's path."""
    for name in ("evals", "data/sums", "modelgraded"):
        (path / name).mkdir(parents=True, exist_ok=True)
    lines = "\n".join(json.dumps(row) for row in args.pop("samples", SAMPLES))
    (path / "data" / "sums" / "samples.jsonl").write_text(lines, encoding="utf-8")
    (path / "data" / "sums" / "few.jsonl").write_text(
        json.dumps({"sample": [{"role": "system", "content": "1+1? 2", "name": "example"}]})
    )
    (path / "modelgraded" / "closed.yaml").write_text(yaml.safe_dump(JUDGING))
    given = {"samples_jsonl": "sums/samples.jsonl", **args}
    document = {
        "sums": {"id": "sums.dev.v0", "metrics": ["accuracy"], "description": "Small sums."},
        "sums.dev.v0": {"class": f"evals.elsuite.{kind}", "args": given},
    }
    file = path / "evals" / "sums.yaml"
    file.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return file


def read(path: Path) -> SuiteSpec:
    return formats.read("openai-registry", path)


def refusal(path: Path) -> FormatError:
    with pytest.raises(FormatError) as refused:
        read(path)
    return refused.value


def test_samples_become_cases_of_the_evals_component(tmp_path: Path) -> None:
    suite = read(registry(tmp_path, max_tokens=7))
    assert (suite.name, suite.description) == ("sums", "Small sums.")
    assert suite.components == {"sums": "Small sums."}
    assert suite.request == {"max_tokens": 7, "temperature": 0}
    assert [case.case_id for case in suite.cases] == ["sums.0", "sums.1"]
    assert suite.cases[0].input == ASK
    assert suite.cases[1].input == [{"role": "user", "content": "3+3?"}]
    assert suite.cases[1].target == ["6", "six"]
    assert not suite.not_expressible


SCORES: list[tuple[str, Any, dict[str, Any], str, str]] = [
    ("basic.match:Match", ["6", "six"], {}, "six.", "It is six"),
    ("basic.match:Match", "a.c", {}, "a.cd", "abc"),
    ("basic.includes:Includes", ["6", "six"], {}, "It is six", "It is Six"),
    ("basic.includes:Includes", ["six"], {"ignore_case": True}, "It is Six", "five"),
    ("basic.json_match:JsonMatch", ['{"a": 1}', "[]"], {}, '{"a": 1.0}', '{"a": 1, "b": 2}'),
    ("basic.json_validator:JsonValidator", "x", {}, "{}", "{"),
]


@pytest.mark.parametrize(("kind", "ideal", "args", "good", "bad"), SCORES)
def test_class_scores_as_the_repository_does(
    tmp_path: Path, kind: str, ideal: Any, args: dict[str, Any], good: str, bad: str
) -> None:
    samples = [{"input": "?", "ideal": ideal}]
    suite = read(registry(tmp_path, kind, samples=samples, **args))
    for answer, score in ((good, 1.0), (bad, 0.0)):
        sample = Sample(output_text=answer)
        grade = graders.grade_sample(suite.graders, suite.cases[0].graded(), sample, Policy())
        assert grade.score == score, answer


@pytest.mark.parametrize(
    ("answer", "score"),
    [("The answer: 6!", 1.0), ("six", 1.0), ("seven", 0.0), ("", 0.0), ("The", 0.0)],
)
def test_fuzzy_match_is_written_as_a_program(tmp_path: Path, answer: str, score: float) -> None:
    suite = read(registry(tmp_path, "basic.fuzzy_match:FuzzyMatch"))
    space: dict[str, Any] = {}
    exec(suite.cases[1].graders[0]["source"], space)  # noqa: S102  the source under test
    assert space["grade"]({"output_text": answer}, {}) == score


def test_worked_examples_stand_before_the_last_message(tmp_path: Path) -> None:
    suite = read(registry(tmp_path, num_few_shot=1, few_shot_jsonl="sums/few.jsonl"))
    assert [one["content"] for one in suite.cases[0].input] == ["Answer.", "1+1? 2", "2+2?"]


def test_model_graded_eval_asks_a_judge_for_its_choice(tmp_path: Path) -> None:
    samples = [{"input": "2+2?", "criteria": "is it 4?"}]
    kind = "modelgraded.classify:ModelBasedClassify"
    suite = read(registry(tmp_path, kind, samples=samples, modelgraded_spec="closed"))
    spec = suite.cases[0].graders[0]
    assert (spec["type"], spec["labels"], spec["passing_labels"]) == (
        "label_model",
        ["Y", "N"],
        ["Y"],
    )
    assert spec["input"][0]["content"] == (
        "Task {{item.input}}, answer {{sample.output_text}}, criterion {{item.criteria}}. {Y} or N?"
    )
    assert "no judging model is named" in suite.not_expressible[0]


def test_evals_of_one_file_are_components_and_those_unknown_are_told(tmp_path: Path) -> None:
    file = registry(tmp_path)
    document = yaml.safe_load(file.read_text())
    document["more"] = {"id": "more.v0", "metrics": ["f1"]}
    document["more.v0"] = {
        **document["sums.dev.v0"],
        "class": "evals.elsuite.basic.includes:Includes",
    }
    document["odd"] = {"id": "odd.v0"}
    document["odd.v0"] = {"class": "evals.elsuite.odd:Odd", "args": {}}
    file.write_text(yaml.safe_dump(document, sort_keys=False))
    suite = read(file)
    assert (list(suite.components), len(suite.cases)) == (["sums", "more"], 4)
    assert [sentence.split(": ", 1)[0] for sentence in suite.not_expressible] == [
        "sums.yaml line 12, more.metrics",
        "sums.yaml line 19, odd.v0",
    ]


def _broken(file: Path, old: str, new: str) -> Path:
    file.write_text(file.read_text().replace(old, new))
    return file


SAMPLES_AT = "sums.dev.v0.args.samples_jsonl"
REFUSED: list[tuple[str, str, str, str]] = [
    ("sums/samples.jsonl", "sums/none.jsonl", SAMPLES_AT, "neither in ../data"),
    ("sums/samples.jsonl", "../x.jsonl", SAMPLES_AT, "outside of the registry"),
    ("id: sums.dev.v0", "id: gone", "sums", "'gone' is not in this file"),
    ("basic.match:Match", "odd:Odd", "", "there is nothing like evals.elsuite.odd:Odd here"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "field_name", "said"), REFUSED)
def test_bad_registry_is_refused_by_field(
    tmp_path: Path, old: str, new: str, field_name: str, said: str
) -> None:
    error = refusal(_broken(registry(tmp_path), old, new))
    assert said in error.message
    assert (error.file, error.field_name) == ("sums.yaml", field_name)


def test_pointer_of_git_lfs_is_told_as_what_it_is(tmp_path: Path) -> None:
    file = registry(tmp_path)
    (tmp_path / "data" / "sums" / "samples.jsonl").write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 1\n"
    )
    assert "git lfs pull" in refusal(file).message


def test_bad_sample_is_refused_at_its_line(tmp_path: Path) -> None:
    error = refusal(registry(tmp_path, samples=[SAMPLES[0], {"input": ASK, "ideal": 4}]))
    assert (error.file, error.line, error.field_name) == ("samples.jsonl", 2, "ideal")


def test_writing_is_refused(tmp_path: Path) -> None:
    suite = read(registry(tmp_path))
    with pytest.raises(InvalidInput, match="read only"):
        formats.write("openai-registry", suite, tmp_path / "x")
