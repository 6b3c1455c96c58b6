"""A suite as a config that promptfoo runs, with what it has no word for in its metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evals.formats import carried, yaml_text
from evals.formats.contract import CaseSpec, SuiteSpec, canonical_json
from evals.formats.promptfoo.counterparts import assert_of
from evals.formats.promptfoo.source import CONFIG_NAMES
from evals.formats.slipway import suite_as_json

PROMPT = {"id": "messages", "label": "messages", "raw": "{{ messages | dump }}"}


def write(suite: SuiteSpec, path: Path) -> tuple[str, ...]:
    """The config, as a `.yaml` or `.json` file, else as promptfooconfig.yaml in a folder.

    Gives what promptfoo would not see of it, one sentence each; Slipway reads all of it back.
    """
    lost: list[str] = []
    document = _document(suite, lost)
    if path.suffix not in (".yaml", ".yml", ".json"):
        path.mkdir(parents=True, exist_ok=True)
        path = path / CONFIG_NAMES[0]
    path.parent.mkdir(parents=True, exist_ok=True)
    plain = json.loads(canonical_json(document))
    ordered = {key: plain[key] for key in document}
    if path.suffix == ".json":
        text = json.dumps(ordered, indent=2, ensure_ascii=False) + "\n"
    else:
        text = yaml_text.dump(ordered, is_large=True)
    path.write_text(text, encoding="utf-8", newline="\n")
    return tuple(lost)


def _document(suite: SuiteSpec, lost: list[str]) -> dict[str, Any]:
    document: dict[str, Any] = {
        "description": suite.description or suite.name,
        "metadata": {carried.KEY: suite_as_json(suite)},
        "prompts": [PROMPT],
        "defaultTest": {"assert": _asserts(suite.graders, "graders", lost)},
        "tests": [_test(case, lost) for case in suite.cases],
    }
    if not suite.graders:
        del document["defaultTest"]
    if suite.request:
        named = ", ".join(sorted(suite.request))
        lost.append(f"request ({named}): set it in the config of the provider")
    for key in ("owner", "canary", "components"):
        if getattr(suite, key):
            lost.append(f"{key}: promptfoo has no such field")
    if suite.policy.refusal_patterns:
        lost.append("policy.refusal_patterns: promptfoo has no such field")
    compares = any(spec["type"] in ("string_check", "text_similarity") for spec in suite.graders)
    structured = [case.case_id for case in suite.cases if not isinstance(case.target, str | None)]
    if compares and structured:
        which = carried.counted(structured, 3)
        lost.append(f"target of {which}: promptfoo compares it as [object Object]")
    for key in ("tools", "request", "serving", "components", "cluster"):
        ids = [case.case_id for case in suite.cases if getattr(case, key)]
        if ids:
            whose = f"{key} of {len(ids)} of {len(suite.cases)} cases ({carried.counted(ids, 3)})"
            lost.append(f"{whose}: promptfoo can't set it test by test")
    return document


def _test(case: CaseSpec, lost: list[str]) -> dict[str, Any]:
    whole = case.as_json()
    native = ("id", "input", "graders")
    rest = {key: value for key, value in whole.items() if key not in native}
    kept = case.metadata.get("item")
    item = {
        "id": case.case_id,
        "target": case.target,
        "metadata": case.metadata,
        **(kept if isinstance(kept, Mapping) else {}),
    }
    test: dict[str, Any] = {
        "description": case.case_id,
        "vars": {"messages": list(case.input), "item": item},
        "metadata": {carried.KEY: rest},
    }
    if case.graders:
        test["assert"] = _asserts(case.graders, f"case {case.case_id}", lost)
    return test


def _asserts(specs: Any, where: str, lost: list[str]) -> list[dict[str, Any]]:
    found = []
    for index, spec in enumerate(specs, start=1):
        made, why = assert_of(spec)
        found.append(made)
        if why:
            lost.append(f"{where}, {spec.get('name') or spec['type']}-{index}: {why}")
    return found
