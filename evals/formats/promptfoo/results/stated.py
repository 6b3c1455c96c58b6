"""What promptfoo itself states of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from evals.formats.documents import Placed
from evals.formats.results import StatedMetric


def stated(whole: Placed, provider: str, rows: Sequence[Placed]) -> Iterator[StatedMetric]:
    """What promptfoo counted, over the prompts of this provider; `rows` are its results."""
    columns = [
        prompt.at("metrics").value or {}
        for prompt in whole.at("results", "prompts").items()
        if prompt.at("provider").value == provider
    ]
    counts = {
        name: sum(column.get(name, 0) for column in columns)
        for name in ("testPassCount", "testFailCount", "testErrorCount")
    }
    for name, count in counts.items():
        yield StatedMetric(name=name, value=float(count))
    graded = counts["testPassCount"] + counts["testFailCount"]
    total = sum(column.get("score", 0.0) for column in columns)
    yield StatedMetric(name="score", value=total / graded if graded else None, node="")
    names = {name for column in columns for name in column.get("namedScores") or {}}
    for name in sorted(names):
        yield _named(name, columns, rows)


def _named(name: str, columns: Sequence[Mapping[str, Any]], rows: Sequence[Placed]) -> StatedMetric:
    """A metric's mean; a node's only where each result counted alike."""
    total = sum((column.get("namedScores") or {}).get(name, 0.0) for column in columns)
    weights = sum(
        (column.get("namedScoreWeights") or column.get("namedScoresCount") or {}).get(name, 0)
        for column in columns
    )
    each = {
        (row.value.get("gradingResult") or {}).get("namedScoreWeights", {}).get(name)
        for row in rows
    } - {None}
    node = name if len(each) <= 1 else None
    return StatedMetric(name=name, value=total / weights if weights else None, node=node)
