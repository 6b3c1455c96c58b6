"""Evidence in the shapes its sources promise, with boring numbers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from releases.gates.contract import Evidence, Gate, Verdict
from releases.gates.judgement import judge_gate
from releases.gates.registry import kinds

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def judged(kind: str, options: dict[str, Any], observed: Any, **evidence: Any) -> Verdict:
    gate = Gate(id=f"{kind}-1", kind=kind, options=options)
    return judge_gate(gate, Evidence(observed=observed, **evidence), NOW, kinds())


def mean_node(mean: Any = 0.7, lo: Any = 0.62, hi: Any = 0.78, **fields: Any) -> dict[str, Any]:
    values = {"n": 60, "n_clusters": 60, "n_missing": 0, "mean": mean, "lo": lo, "hi": hi}
    return {**values, **fields}


def means(state: str = "fresh", **nodes: dict[str, Any]) -> dict[str, Any]:
    """Of suite sql; `root` is the whole suite, `sql_table` the node sql.table."""
    found = {"root": mean_node(), **nodes}
    named = {("" if k == "root" else k.replace("_", ".")): v for k, v in found.items()}
    return {"suite": "sql", "version": 3, "run_id": "r1", "suite_state": state, "nodes": named}


def delta_node(
    delta: Any = 0.02, lo: Any = -0.01, hi: Any = 0.05, verdict: Any = "non_inferior", **fields: Any
) -> dict[str, Any]:
    return {
        "n": 60,
        "n_clusters": 60,
        "delta": delta,
        "lo": lo,
        "hi": hi,
        "p_regression": 0.9,
        "p_worse": 0.9,
        "adjusted_p_regression": 1.0,
        "adjusted_p_worse": 1.0,
        "mde": 0.04,
        "cases_to_settle": None,
        "verdict": verdict,
        "sentence": "",
        **fields,
    }


def deltas(state: str = "fresh", **nodes: dict[str, Any]) -> dict[str, Any]:
    found = {"root": delta_node(), **nodes}
    named = {("" if k == "root" else k.replace("_", ".")): v for k, v in found.items()}
    return {
        "suite": "sql",
        "version": 3,
        "candidate_run": "r2",
        "baseline_run": "r1",
        "candidate": "two",
        "baseline": "one",
        "suite_state": state,
        "nodes": named,
        "n_unmatched": 0,
        "n_errored": 0,
    }


REGRESSION = {"delta": -0.2, "lo": -0.3, "hi": -0.1, "verdict": "regression"}
WORSE = {"delta": -0.05, "lo": -0.09, "hi": -0.01, "verdict": "worse"}
UNSETTLED = {"delta": -0.03, "lo": -0.09, "hi": 0.03, "verdict": "inconclusive"}
