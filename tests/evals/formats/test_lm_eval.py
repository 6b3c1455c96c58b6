"""lm-eval's results and samples: filters, likelihoods, numbers that are no scores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evals import formats
from evals.formats.contract import FormatError
from evals.models import Metric, Result
from evals.selectors.runs import stated_beside
from evals.services.run_imports import import_run
from infra.errors import InvalidInput
from tests import builders as shared
from tests.evals import builders

RECORDED = Path(__file__).parent / "lm_eval_recorded"
TIME = "2026-11-23T13-00-00.123456"


def generated(doc_id: int, filter_name: str, score: float) -> dict[str, Any]:
    """A line of a generated answer, judged by one filter."""
    return {
        "doc_id": doc_id,
        "doc": {"question": f"{doc_id}+1?", "answer": str(doc_id + 1)},
        "target": str(doc_id + 1),
        "arguments": {"gen_args_0": {"arg_0": f"Q: {doc_id}+1?\nA:", "arg_1": {"until": ["Q:"]}}},
        "resps": [[f" It is {doc_id + 1}."]],
        "filtered_resps": [str(doc_id + 1)],
        "filter": filter_name,
        "metrics": ["exact_match"],
        "doc_hash": "0" * 64,
        "exact_match": score,
    }


def chosen(doc_id: int, right: int) -> dict[str, Any]:
    """A line of a multiple choice; the second choice is likelier."""
    return {
        "doc_id": doc_id,
        "doc": {"q": doc_id},
        "target": right,
        "arguments": {
            "gen_args_0": {"arg_0": f"Sky {doc_id} is", "arg_1": " green"},
            "gen_args_1": {"arg_0": f"Sky {doc_id} is", "arg_1": " blue"},
        },
        "resps": [[["-9.5", "False"]], [["-1.25", "True"]]],
        "filtered_resps": [["-9.5", "False"], ["-1.25", "True"]],
        "filter": "none",
        "metrics": ["acc", "acc_norm", "perplexity", "spread"],
        "acc": float(right == 1),
        "acc_norm": 1.0,
        "perplexity": 0.5,
        "spread": [1.0, 2],
    }


GENERATED = [
    generated(doc_id, name, float(doc_id % 4 != 0 if name == "strict-match" else doc_id % 2))
    for doc_id in range(8)
    for name in ("strict-match", "flexible-extract")
]
CHOSEN = [chosen(doc_id, doc_id % 2) for doc_id in range(4)]
RESULTS: dict[str, Any] = {
    "results": {
        "sums": {
            "alias": "sums",
            "exact_match,strict-match": 0.75,
            "exact_match_stderr,strict-match": 0.16,
            "exact_match,flexible-extract": 0.5,
        },
        "sky": {
            "alias": "sky",
            "acc,none": 0.5,
            "acc_stderr,none": "N/A",
            "acc_norm,none": 1.0,
            "perplexity,none": float("nan"),
        },
        "group": {"acc,none": 0.6},
    },
    "higher_is_better": {"sums": {"exact_match": True}, "sky": {"acc": True, "perplexity": False}},
    "n-samples": {"sky": {"original": 100, "effective": 4}},
    "config": {"model": "hf", "model_args": "pretrained=tiny"},
    "date": 1795438800.5,
    "lm_eval_version": "0.4.9",
}


def folder_of(path: Path, results: Any = None, **tasks: list[dict[str, Any]]) -> Path:
    """The folder as lm-eval writes it for one model."""
    folder = path / "tiny"
    folder.mkdir()
    document = RESULTS if results is None else results
    (folder / f"results_{TIME}.json").write_text(json.dumps(document, indent=2))
    for task, rows in (tasks or {"sums": GENERATED, "sky": CHOSEN}).items():
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"samples_{task}_{TIME}.jsonl").write_text(text)
    return path


@pytest.mark.django_db
def test_a_log_imports_with_its_counts_and_its_metrics(tmp_path: Path) -> None:
    shared.cast()
    log = formats.read_run("lm-eval", folder_of(tmp_path))
    assert (log.model, log.tool, len(log.suite.cases)) == ("pretrained=tiny", "lm_eval 0.4.9", 12)
    checkpoint = shared.checkpoint()
    run = import_run(actor=builders.DEMO, log=log, checkpoint=checkpoint, format_name="lm-eval").run
    assert (str(run.version), Result.objects.filter(run=run).count()) == ("lm-eval-2-tasks@1", 12)
    beside = {metric.name: metric for metric in stated_beside(run)}
    for name, value in (
        ("sums/exact_match,strict-match", 0.75),
        ("sums/exact_match,flexible-extract", 0.5),
        ("sky/acc,none", 0.5),
        ("sky/acc_norm,none", 1.0),
    ):
        assert (beside[name].ours, beside[name].agrees) == (pytest.approx(value), True), name
    assert beside["sky/acc_stderr,none"].stated is None
    assert beside["sky/perplexity,none"].stated is None
    assert beside["group/acc,none"].agrees is None
    assert Metric.objects.get(run=run, node="sums").n_cases == 8


@pytest.mark.django_db
def test_what_lm_eval_itself_wrote_imports_with_equal_counts_and_metrics() -> None:
    shared.cast()
    log = formats.read_run("lm-eval", RECORDED)
    assert (log.model, log.tool, log.not_expressible) == ("tiny-mock", "lm_eval 0.4.13", [])
    assert log.suite.cases[2].input == [
        {"role": "user", "content": "What is the capital of Türkiye?"}
    ]
    checkpoint = shared.checkpoint()
    run = import_run(actor=builders.DEMO, log=log, checkpoint=checkpoint, format_name="lm-eval").run
    lines = next(RECORDED.glob("samples_*.jsonl")).read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert Result.objects.filter(run=run).count() == len(rows) / 2 == 8
    results = json.loads(next(RECORDED.glob("results_*.json")).read_text(encoding="utf-8"))
    stated = results["results"]["capitals"]
    beside = {metric.name: metric for metric in stated_beside(run)}
    for name in ("as-written", "last-word"):
        found = beside[f"capitals/exact_match,{name}"]
        assert found.ours == pytest.approx(stated[f"exact_match,{name}"], abs=1e-12)
        assert found.agrees is True
        right = sum(row["exact_match"] for row in rows if row["filter"] == name)
        assert right / 8 == stated[f"exact_match,{name}"]
    said = {row["doc_id"]: row["resps"][0][0] for row in rows}
    outputs = {result.case_id: result.output for result in log.results}
    assert all(outputs[f"capitals/{n}"].text == text for n, text in said.items() if text)


def test_lines_of_one_document_and_filter_count_once(tmp_path: Path) -> None:
    log = formats.read_run("lm-eval", folder_of(tmp_path, sums=[*GENERATED, *GENERATED[:3]]))
    assert len(log.results) == len(log.suite.cases) == 8
    first = log.results[0]
    assert {label: share.score for label, share in first.components.items()} == {
        "sums.exact_match.strict-match": 0.0,
        "sums.exact_match.flexible-extract": 0.0,
    }


def test_prompts_choices_and_answers_are_kept(tmp_path: Path) -> None:
    log = formats.read_run("lm-eval", folder_of(tmp_path))
    cases = {case.case_id: case for case in log.suite.cases}
    outputs = {result.case_id: result.output for result in log.results}
    assert cases["sums/2"].input == [{"role": "user", "content": "Q: 2+1?\nA:"}]
    assert cases["sky/0"].metadata["choices"] == [" green", " blue"]
    told = outputs["sums/2"], outputs["sky/0"]
    assert [output and output.text for output in told] == [" It is 3.", " blue"]


def test_what_is_no_score_is_listed(tmp_path: Path) -> None:
    log = formats.read_run("lm-eval", folder_of(tmp_path))
    file = f"samples_sky_{TIME}.jsonl"
    assert list(log.not_expressible) == [
        f"{file}: perplexity is no score in 0..1 that grows with quality (4 times)",
        f"{file}: spread is no score in 0..1 that grows with quality (4 times)",
        f"results_{TIME}.json, results.group: has no samples, so only its numbers are known",
        "sky: 4 of its 100 documents were asked",
    ]


def test_arguments_as_older_versions_write_them(tmp_path: Path) -> None:
    rows = [{**row, "arguments": [[f"Q{row['doc_id']}", {"until": []}]]} for row in GENERATED]
    log = formats.read_run("lm-eval", folder_of(tmp_path, sums=rows))
    assert log.suite.cases[3].input[0]["content"] == "Q3"


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], "holds no sample"),
        ([{**GENERATED[0], "doc_id": None}], "line 1, doc_id: None is neither"),
        ([{**GENERATED[0], "metrics": "acc"}], "line 1, metrics: must be a list"),
        ([{**GENERATED[0], "arguments": {}}], "line 1, arguments: is empty"),
        ([{**GENERATED[0], "arguments": 7}], "line 1, arguments: must be an object"),
        (
            [GENERATED[0], {**GENERATED[0], "exact_match": 1.0}],
            "line 2, filter: document 0 has two",
        ),
    ],
)
def test_a_wrong_line_is_named(rows: Any, expected: str, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=expected):
        formats.read_run("lm-eval", folder_of(tmp_path, sums=rows))


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"must hold one results_<time>.json; found: none"):
        formats.read_run("lm-eval", tmp_path)
    folder_of(tmp_path, other=GENERATED)
    with pytest.raises(FormatError, match="run lm_eval --log_samples"):
        formats.read_run("lm-eval", tmp_path)
    with pytest.raises(InvalidInput, match="made by a run of lm-eval"):
        formats.write("lm-eval", builders.suite_spec(1), tmp_path)
