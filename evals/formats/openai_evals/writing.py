"""A suite as bodies that the Evals API takes: the eval, a run, and the rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evals.formats import carried
from evals.formats.contract import SuiteSpec, canonical_json
from evals.formats.openai_evals import criteria, reading, rows
from evals.formats.slipway import suite_as_json

EVAL_FILE, RUN_FILE, DATA_FILE = "eval.json", "run.json", "data.jsonl"


def write(suite: SuiteSpec, path: Path) -> tuple[str, ...]:
    """The suite as one `.json` file, else as a folder of eval.json, run.json and data.jsonl.

    Gives what OpenAI would not see of it, one sentence each; Slipway reads all of it back.
    """
    by_item = all(rows.asks_by_item(case) for case in suite.cases)
    data = [rows.row_of(case, whole_input=not by_item) for case in suite.cases]
    whole, lost = eval_of(suite)
    reference = "item.input" if by_item else f"item.{carried.KEY}.case.input"
    run = _run_of(suite, reference)
    if path.suffix == ".json":
        run["data_source"]["source"] = {"type": "file_content", "content": data}
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, {"eval": whole, "run": run})
    else:
        path.mkdir(parents=True, exist_ok=True)
        _write(path / EVAL_FILE, whole)
        _write(path / RUN_FILE, run)
        lines = "".join(canonical_json(row) + "\n" for row in data)
        (path / DATA_FILE).write_text(lines, encoding="utf-8", newline="\n")
    return (*lost, *_lost_of_cases(suite))


def eval_of(suite: SuiteSpec) -> tuple[dict[str, Any], list[str]]:
    """The body that creates the eval, and what OpenAI would not see."""
    written: list[dict[str, Any]] = []
    lost: list[str] = []
    for spec, name in zip(suite.graders, criteria.names_of(suite.graders), strict=True):
        criterion, why = criteria.criterion_of(spec, name)
        written.append(criterion)
        if why:
            lost.append(f"graders, {name}: {why}")
    if not written:
        lost.append("graders: every case has its own; an eval grades all its rows alike")
    schema = {
        "type": "object",
        "properties": {},
        carried.KEY: suite_as_json(suite),
    }
    lost += [
        f"{name}: the Evals API has no such field"
        for name, value in _unseen(suite).items()
        if value
    ]
    config = {"type": "custom", "item_schema": schema, "include_sample_schema": True}
    return {"name": suite.name, "data_source_config": config, "testing_criteria": written}, lost


def _unseen(suite: SuiteSpec) -> Mapping[str, Any]:
    settings = sorted(set(suite.request) - set(reading.SAMPLING) - {"max_tokens"})
    return {
        "description": suite.description,
        "owner": suite.owner,
        "canary": suite.canary,
        "components": suite.components,
        "policy.refusal_patterns": suite.policy.refusal_patterns,
        "policy.request_timeout_s": suite.policy.request_timeout_s,
        f"request ({', '.join(settings)})": settings,
    }


def _run_of(suite: SuiteSpec, reference: str) -> dict[str, Any]:
    """A run's body; whoever sends it adds the model, and the id of the uploaded data."""
    source: dict[str, Any] = {
        "type": "completions",
        "source": {"type": "file_id", "id": DATA_FILE},
        "input_messages": {"type": "item_reference", "item_reference": reference},
    }
    sampling = reading.sampling_of(suite.request)
    if sampling:
        source["sampling_params"] = sampling
    return {"name": suite.name, "data_source": source}


def _lost_of_cases(suite: SuiteSpec) -> list[str]:
    told = []
    for key in ("tools", "request", "serving", "graders", "components", "cluster"):
        ids = [case.case_id for case in suite.cases if getattr(case, key)]
        if ids:
            whose = f"{key} of {len(ids)} of {len(suite.cases)} cases ({carried.counted(ids, 3)})"
            told.append(f"{whose}: a run of the API can't set it row by row")
    return told


def _write(path: Path, value: object) -> None:
    text = json.dumps(json.loads(canonical_json(value)), indent=2, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8", newline="\n")
