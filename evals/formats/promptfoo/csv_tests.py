"""Tests in tables: a column a var, and `__expected` and its like for the rest."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from evals.formats.documents import Placed

DEFAULT_THRESHOLD = 0.75
WITH_THRESHOLD = (
    "answer-relevance classifier context-faithfulness context-recall context-relevance cost "
    "latency levenshtein perplexity-score perplexity rouge-n similar starts-with"
).split()
LISTS = ("contains-all", "contains-any", "icontains-all", "icontains-any")
ASSERTION = re.compile(r"(not-)?([a-z][a-z0-9:-]*?)(?:\((\d+(?:\.\d+)?)\))?(?::(.*))?", re.DOTALL)
FIELD = re.compile(r'\s*(?:"((?:[^"\\]|\\.|"")*)"|([^,]*))\s*(?:,|$)')


def test_of_row(row: Placed, kinds: frozenset[str]) -> Placed:
    """The test that a row stands for; `kinds` are the assertion types that there are."""
    test: dict[str, Any] = {"vars": {}}
    asserts: list[dict[str, Any]] = []
    for key, cell in row.mapping().items():
        if key.startswith("__expected"):
            if cell.strip():
                asserts.append(assertion_of(cell.strip(), kinds))
        elif key.startswith("__metadata:"):
            test.setdefault("metadata", {})[key.removeprefix("__metadata:")] = cell
        elif key in ("__description", "__providerOutput"):
            test[key.strip("_")] = cell
        elif key in ("__prefix", "__suffix"):
            test.setdefault("options", {})[key.strip("_")] = cell
        elif key == "__threshold" and cell.strip():
            test["threshold"] = _number(cell, row.at(key))
        elif key != "__metric" and not key.startswith("__"):
            test["vars"][key] = cell
    metric = row.value.get("__metric")
    if metric:
        asserts = [{**one, "metric": metric} for one in asserts]
    return replace(row, value={**test, "assert": asserts} if asserts else test)


def _number(cell: str, place: Placed) -> float:
    try:
        return float(cell)
    except ValueError as error:
        raise place.wrong(f"{cell!r} is no number") from error


def assertion_of(text: str, kinds: frozenset[str]) -> dict[str, Any]:
    """The assertion that a cell of `__expected` writes: `contains:x`, `similar(0.8):y`, `x`."""
    for prefix, kind in (
        ("javascript:", "javascript"),
        ("fn:", "javascript"),
        ("eval:", "javascript"),
        ("grade:", "llm-rubric"),
        ("llm-rubric:", "llm-rubric"),
        ("python:", "python"),
    ):
        if text.startswith(prefix):
            return {"type": kind, "value": text.removeprefix(prefix).strip()}
    if text.startswith("file://"):
        return {"type": "python" if ".py" in text else "javascript", "value": text}
    match = ASSERTION.fullmatch(text)
    if match is None or match[2] not in kinds:
        return {"type": "equals", "value": text}
    negated, kind, threshold, value = match.groups()
    made: dict[str, Any] = {"type": (negated or "") + kind}
    if value is not None:
        made["value"] = parts_of(value) if kind in LISTS else value.strip()
    if kind in WITH_THRESHOLD:
        made["threshold"] = float(threshold) if threshold else DEFAULT_THRESHOLD
    return made


def parts_of(text: str) -> list[str]:
    """The values of a list that is written with commas, some of them in quotes."""
    found, position = [], 0
    while position < len(text):
        match = FIELD.match(text, position)
        if match is None or match.end() == position:
            break
        quoted, bare = match.groups()
        if quoted is not None:
            found.append(re.sub(r'\\(["\\])|""', lambda m: m[1] or '"', quoted))
        elif bare.strip():
            found.append(bare.strip())
        position = match.end()
    return found
