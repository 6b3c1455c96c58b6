"""Output items of a run of OpenAI's Evals API as a run."""

from __future__ import annotations

import datetime
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from evals import graders
from evals.formats import carried
from evals.formats.contract import CaseSpec, FormatError, SuiteSpec, canonical_json
from evals.formats.documents import Placed
from evals.formats.openai_evals import reading
from evals.formats.openai_evals.criteria import names_of
from evals.formats.openai_evals.objects import Objects, objects_at
from evals.formats.results import ResultSpec, RunLog, StatedMetric
from evals.graders.contract import ComponentGrade
from evals.outputs import Output
from evals.states import ResultState

TOOL = "openai-evals"
ERRED = ("error", "errored")
BINARY = ("string_check", "label_model")
"""Criteria whose mean score is their share of passes."""


def read_run(path: Path) -> RunLog:
    """The run whose output items are at the path; FormatError names file, line and field."""
    found = objects_at(path)
    run = _run_of(found, path)
    suite = reading.suite_of(found, path)
    told: list[str] = []
    ids = _ids(suite)
    labels = _labels(suite)
    ranges = _ranges(suite)
    seen: Counter[str] = Counter()
    results: list[ResultSpec] = []
    for place in found.output_items:
        case_id = _case_id(place, ids)
        results.append(_result(place, case_id, seen[case_id], labels[case_id], ranges, told))
        seen[case_id] += 1
    stated = tuple(_stated(run, suite)) if run else ()
    _compare_counts(run, results, told)
    return RunLog(
        suite=suite,
        model=_model_of(run, found.output_items),
        results=results,
        repeats=max(seen.values()),
        stated=stated,
        created_at=_instant(run),
        tool=TOOL,
        not_expressible=tuple(dict.fromkeys(told)),
    )


def _run_of(found: Objects, path: Path) -> Placed | None:
    """The run that the items belong to, when its object is there too."""
    if not found.output_items:
        message = (
            "holds no output item: save GET /evals/{id}/runs/{id}/output_items beside the eval"
        )
        raise FormatError(path.name, message)
    names = sorted({str(place.value.get("run_id")) for place in found.output_items})
    if len(names) > 1:
        message = f"holds output items of {len(names)} runs ({carried.counted(names)}): one each"
        raise FormatError(path.name, message)
    runs = [run for run in found.runs if run.value.get("id") == names[0]]
    if not runs and len(found.runs) == 1:
        runs = found.runs
    if runs:
        # What was asked is this run's template, not another's.
        found.runs = [runs[0], *(run for run in found.runs if run is not runs[0])]
    return runs[0] if runs else None


def _ids(suite: SuiteSpec) -> dict[str, str]:
    """Case ids by their item, and by their number where items repeat."""
    found: dict[str, str] = {}
    twice: set[str] = set()
    for number, case in enumerate(suite.cases):
        key = _key_of(case)
        if key in found:
            twice.add(key)
        found.setdefault(key, case.case_id)
        found[f"#{number}"] = case.case_id
    for key in twice:
        del found[key]
    return found


def _key_of(case: CaseSpec) -> str:
    item = case.metadata.get("item")
    if isinstance(item, Mapping):
        return canonical_json(item)
    return f"id {case.case_id}"


def _case_id(place: Placed, ids: Mapping[str, str]) -> str:
    item = place.at("datasource_item").mapping()
    plain = {key: value for key, value in item.items() if key != carried.KEY}
    number = place.at("datasource_item_id").value
    for key in (canonical_json(plain), f"id {item.get('id')}", f"#{number}"):
        if key in ids:
            return ids[key]
    raise place.at("datasource_item").wrong("is no row of the data: add the file it came from")


def _labels(suite: SuiteSpec) -> dict[str, dict[str, tuple[str, ...]]]:
    """By case, the components that each criterion scores."""
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    names = names_of(suite.graders)
    for case in suite.cases:
        every = graders.check_graded(suite.graders, case.graded())
        found[case.case_id] = {
            name: labels for name, (_, labels) in zip(names, every, strict=False)
        }
    return found


def _result(
    place: Placed,
    case_id: str,
    repeat: int,
    labels: Mapping[str, Sequence[str]],
    ranges: Mapping[str, tuple[float, float]],
    told: list[str],
) -> ResultSpec:
    sample = place.at("sample").value or {}
    error = sample.get("error") or {}
    failed = bool(error.get("code") or error.get("message"))
    is_error = failed or str(place.value.get("status")) in ERRED
    graded = [_graded(one, ranges, told) for one in place.at("results").items()]
    usage = sample.get("usage") or {}
    is_passed = all(passed for _, passed, _ in graded) and bool(graded)
    state = ResultState.PASSED if is_passed else ResultState.FAILED
    output = _output(sample)
    known: dict[str, Any] = {
        "case_id": case_id,
        "repeat": repeat,
        "output": output,
        "tokens_in": usage.get("prompt_tokens"),
        "tokens_out": usage.get("completion_tokens"),
    }
    if is_error or not graded:
        return ResultSpec(
            state=ResultState.ERRORED,
            error_code=str(error.get("code") or "openai_evals_error"),
            error_message=str(error.get("message") or "OpenAI gives no reason"),
            **known,
        )
    shares: dict[str, ComponentGrade] = {}
    for name, _, score in graded:
        for label in _of_name(name, labels):
            shares[label] = ComponentGrade(score=score)
    score = sum(score for _, _, score in graded) / len(graded)
    return ResultSpec(state=state, score=score, components=shares, **known)


def _ranges(suite: SuiteSpec) -> dict[str, tuple[float, float]]:
    """The range of each criterion that has one of its own."""
    named = zip(names_of(suite.graders), suite.graders, strict=True)
    return {name: tuple(spec["range"]) for name, spec in named if "range" in spec}


def _graded(
    place: Placed, ranges: Mapping[str, tuple[float, float]], told: list[str]
) -> tuple[str, bool, float]:
    """Name, whether it passed, and the score, mapped from the criterion's range to 0..1."""
    value = place.mapping()
    name, passed = str(value.get("name")), bool(value.get("passed"))
    score = value.get("score")
    if isinstance(score, bool) or not isinstance(score, int | float):
        return name, passed, float(passed)
    fit = [one for one in ranges if name == one or name.startswith(f"{one}-")]
    low, high = ranges[max(fit, key=len)] if fit else (0.0, 1.0)
    score = (score - low) / (high - low)
    if not 0 <= score <= 1:
        told.append(
            place.at("score").told("lies outside the criterion's range: kept as passed or not")
        )
        return name, passed, float(passed)
    return name, passed, float(score)


def _of_name(name: str, labels: Mapping[str, Sequence[str]]) -> Sequence[str]:
    """The components of a criterion; OpenAI adds an id to the name: `Label-3f2a…`."""
    if name in labels:
        return labels[name]
    fit = [one for one in labels if name.startswith(f"{one}-")]
    return labels[max(fit, key=len)] if fit else ()


def _output(sample: Mapping[str, Any]) -> Output | None:
    messages = sample.get("output") or ()
    if not messages:
        return None
    texts = [_text(message.get("content")) for message in messages]
    calls = [call for message in messages for call in message.get("tool_calls") or ()]
    return Output(
        text="".join(texts), tool_calls=calls, finish_reason=sample.get("finish_reason") or None
    )


def _text(content: object) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping))
    return json.dumps(content, ensure_ascii=False)


def _stated(run: Placed, suite: SuiteSpec) -> Iterator[StatedMetric]:
    for name, count in (run.at("result_counts").value or {}).items():
        if isinstance(count, int):
            yield StatedMetric(name=f"result_counts.{name}", value=float(count))
    kinds = dict(zip(names_of(suite.graders), suite.graders, strict=True))
    for one in run.at("per_testing_criteria_results").value or ():
        name = str(one.get("testing_criteria"))
        spec = kinds.get(name) or next(
            (spec for key, spec in kinds.items() if name.startswith(f"{key}-")), {}
        )
        n = one.get("passed", 0) + one.get("failed", 0)
        labels = spec.get("components", ())
        node = labels[0] if len(labels) == 1 and spec.get("type") in BINARY else None
        value = one.get("passed", 0) / n if n else None
        yield StatedMetric(name=f"{name}/passed", value=value, node=node)


def _compare_counts(run: Placed | None, results: Sequence[ResultSpec], told: list[str]) -> None:
    """Say where the run's own counts are not those of its items."""
    place = run.at("result_counts") if run else None
    if run is None or place is None or not isinstance(place.value, Mapping):
        return
    states = Counter(result.state.value for result in results)
    mine = {
        "total": len(results),
        **{name: states[name] for name in ("passed", "failed", "errored")},
    }
    for name, count in mine.items():
        stated = place.value.get(name)
        if stated is not None and stated != count:
            told.append(place.at(name).told(f"says {stated}, its output items say {count}"))


def _model_of(run: Placed | None, items: Sequence[Placed]) -> str:
    given = run.at("model").value or run.at("data_source", "model").value if run else None
    return str(given or (items[0].value.get("sample") or {}).get("model") or "unknown")


def _instant(run: Placed | None) -> datetime.datetime | None:
    stamp = run.at("created_at").value if run else None
    if not isinstance(stamp, int | float):
        return None
    return datetime.datetime.fromtimestamp(stamp, tz=datetime.UTC)
