"""lm-evaluation-harness: `results_<time>.json` with its `samples_<task>_<time>.jsonl`."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from evals import components
from evals.formats.contract import CaseSpec, FormatError, SuiteSpec
from evals.formats.documents import Placed, json_values, name_from
from evals.formats.lm_eval.samples import Doc, docs_of, label_of
from evals.formats.results import RunLog, StatedMetric
from infra.errors import InvalidInput


def read(path: Path) -> SuiteSpec:
    """The suite of the log: each task's documents, scored by lm-eval alone."""
    log = read_run(path)
    return replace(log.suite, not_expressible=log.not_expressible)


def write(suite: SuiteSpec, path: Path) -> None:
    """Always refused: results hold answers, and a suite has none."""
    message = "lm-eval's results are made by a run of lm-eval: a suite alone can't be written so"
    raise InvalidInput("format", message)


def read_run(path: Path) -> RunLog:
    """The results file, or the one in the folder; FormatError names file, line and field."""
    file = _results_file(path)
    whole = next(json_values(file, nan_as_null=True))
    whole.mapping()
    tasks = whole.at("results").mapping()
    told: list[str] = []
    docs: list[Doc] = []
    for task in tasks:
        samples = _samples_file(file, task)
        if samples is None:
            told.append(
                f"{file.name}, results.{task}: has no samples, so only its numbers are known"
            )
        else:
            docs += docs_of(task, samples, _lower_is_better(whole, task), told)
    if not docs:
        message = (
            f"has no samples_<task>{_time_of(file)}.jsonl beside it: run lm_eval --log_samples"
        )
        raise FormatError(file.name, message)
    suite = _suite(tasks, docs)
    return RunLog(
        suite=suite,
        model=_model(whole),
        results=[doc.result() for doc in docs],
        stated=list(_stated(whole, set(components.tree(suite.components)), docs)),
        created_at=_moment(whole.value.get("date")),
        tool=f"lm_eval {whole.value.get('lm_eval_version') or ''}".strip(),
        not_expressible=[*told, *_limited(whole)],
    )


def _results_file(path: Path) -> Path:
    if path.is_file():
        return path
    found = sorted(path.rglob("results_*.json")) if path.is_dir() else []
    if len(found) != 1:
        some = ", ".join(file.name for file in found) or "none"
        message = f"must hold one results_<time>.json; found: {some}. Name the file"
        raise FormatError(path.name, message)
    return found[0]


def _time_of(file: Path) -> str:
    """`_2026-11-23T13-00-00.0` of `results_2026-11-23T13-00-00.0.json`; empty for other names."""
    return file.stem.removeprefix("results") if file.stem.startswith("results_") else ""


def _samples_file(file: Path, task: str) -> Path | None:
    found = file.with_name(f"samples_{task}{_time_of(file)}.jsonl")
    return found if found.is_file() else None


def _lower_is_better(whole: Placed, task: str) -> frozenset[str]:
    """Metrics that grow as answers get worse, such as perplexities: no component's score."""
    told = whole.at("higher_is_better", task).value
    if not isinstance(told, Mapping):
        return frozenset()
    return frozenset(name for name, higher in told.items() if higher is False)


def _suite(tasks: Mapping[str, Any], docs: list[Doc]) -> SuiteSpec:
    seen = list(dict.fromkeys(doc.task for doc in docs))
    cases: list[CaseSpec] = [doc.case() for doc in docs]
    labels = sorted({label for case in cases for label in case.components})
    scorers = sorted({label.partition(".")[2] or label for label in labels})
    name = seen[0] if len(seen) == 1 else f"lm-eval-{len(seen)}-tasks"
    return SuiteSpec(
        name=name_from(name).replace(".", "-"),
        cases=cases,
        graders=[{"type": "external", "tool": "lm-eval", "scorers": scorers}],
        components={label: f"scored by lm-eval: {label}" for label in labels},
        description=f"lm-evaluation-harness: {', '.join(seen)[:300]}.",
    )


def _model(whole: Placed) -> str:
    given = whole.value.get("model_name") or whole.at("config", "model_args").value
    return str(given or whole.at("config", "model").value or "")


def _moment(date: Any) -> datetime.datetime | None:
    if not isinstance(date, int | float) or isinstance(date, bool) or not 0 < date < 2**40:
        return None
    return datetime.datetime.fromtimestamp(date, tz=datetime.UTC)


def _stated(whole: Placed, nodes: set[str], docs: list[Doc]) -> Iterator[StatedMetric]:
    """Every `metric,filter` of every task and group; a mean where it is one of ours."""
    for task in whole.at("results").mapping():
        numbers = whole.at("results", task).mapping()
        for key, value in numbers.items():
            metric, comma, filter_name = key.partition(",")
            if not comma:
                continue
            label = label_of(task, metric, filter_name)
            yield StatedMetric(
                name=f"{task}/{key}",
                value=float(value) if _is_number(value) else None,
                node=label if label in nodes else None,
            )


def _is_number(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value)


def _limited(whole: Placed) -> Iterator[str]:
    counted = whole.at("n-samples").value
    for task, n in counted.items() if isinstance(counted, Mapping) else ():
        if isinstance(n, Mapping) and n.get("effective") != n.get("original"):
            yield f"{task}: {n.get('effective')} of its {n.get('original')} documents were asked"
