"""Inspect's scores as components, and the metrics it states of them. Pure."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evals import components
from evals.formats.results import StatedMetric
from evals.graders.contract import ComponentGrade

LETTERS = {"C": 1.0, "I": 0.0, "P": 0.5, "N": 0.0}
WORDS = {"yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}
MEANS = frozenset({"accuracy", "mean"})
LONGEST_PART = 60
Base = tuple[str, ...]


def number_of(value: Any) -> float | None:
    """What Inspect's own metrics read in a value; None for unscored and for what is no number."""
    if isinstance(value, str):
        if value in LETTERS:
            return LETTERS[value]
        if value.lower() in WORDS:
            return WORDS[value.lower()]
        try:
            value = float(value)
        except ValueError:
            return None
    if not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouping:
    """The metadata keys that the log's metrics group samples by, of each scorer."""

    keys: Mapping[str, Sequence[str]]

    def labels(self, base: Base, metadata: Mapping[str, Any]) -> tuple[str, ...]:
        """Where a score of this scorer is kept: below each of its groups, else at the scorer."""
        keys = [key for key in self.keys.get(base[0], ()) if key in metadata]
        if not keys:
            return (label_of(base),)
        return tuple(label_of((*base, key, str(metadata[key]))) for key in keys)


def label_of(parts: Iterable[str]) -> str:
    """The component of these parts; a part that is empty or long is named so that it fits."""
    return components.join(_part(part) for part in parts)


def _part(part: str) -> str:
    if not part.strip():
        return "(empty)"
    if len(part) <= LONGEST_PART:
        return part
    return f"{part[: LONGEST_PART - 9]}~{hashlib.sha256(part.encode()).hexdigest()[:8]}"


def grouping_of(header: Mapping[str, Any]) -> Grouping:
    """From the log's results, or from its scorers while it has none."""
    found: dict[str, list[str]] = {}
    for entry in (header.get("results") or {}).get("scores") or ():
        for metric in (entry.get("metrics") or {}).values():
            _add(found, entry, (metric.get("params") or {}).get("group_key"))
    for scorer in header["eval"].get("scorers") or ():
        metrics = scorer.get("metrics")
        for metric in metrics if isinstance(metrics, list) else ():
            if isinstance(metric, Mapping):
                _add(found, scorer, (metric.get("options") or {}).get("group_key"))
    return Grouping(keys=found)


def _add(found: dict[str, list[str]], entry: Mapping[str, Any], key: Any) -> None:
    for name in {entry.get("scorer"), entry.get("name")} - {None}:
        keys = found.setdefault(str(name), [])
        if isinstance(key, str) and key not in keys:
            keys.append(key)


def values_of(name: str, value: Any) -> list[tuple[Base, Any]]:
    """The values of one scorer: one, or one a key of its dictionary."""
    if isinstance(value, Mapping):
        return [((name, str(key)), inner) for key, inner in value.items()]
    return [((name,), value)]


def graded(
    scores: Mapping[str, Mapping[str, Any]], grouping: Grouping, metadata: Mapping[str, Any]
) -> tuple[float | None, dict[str, ComponentGrade], list[str]]:
    """The mean over the scorers, each component's share, and what was not scored and why."""
    shares: dict[str, ComponentGrade] = {}
    means, unscored = [], []
    for name, score in scores.items():
        mine = []
        for base, value in values_of(name, score.get("value")):
            number = number_of(value)
            if number is None or not 0 <= number <= 1:
                unscored.append(f"{'.'.join(base)} gave {value!r}, which is no score in 0..1")
                continue
            mine.append(number)
            share = ComponentGrade(score=number, explanation=said(score))
            shares |= dict.fromkeys(grouping.labels(base, metadata), share)
        if mine:
            means.append(sum(mine) / len(mine))
    return (sum(means) / len(means) if means else None), shares, unscored


def said(score: Mapping[str, Any]) -> str:
    """What a scorer explains of its value."""
    answer, explanation = score.get("answer"), score.get("explanation")
    parts = [f"answer {answer!r}" if answer not in (None, "", explanation) else "", explanation]
    return ": ".join(str(part) for part in parts if part)


def stated(header: Mapping[str, Any], known: Iterable[str]) -> list[StatedMetric]:
    """Each metric in the log's results, with the node whose mean it is when it is one."""
    labels, found = set(components.tree(known)), []
    several = len((header.get("results") or {}).get("scores") or ()) > 1
    for entry in (header.get("results") or {}).get("scores") or ():
        for metric in (entry.get("metrics") or {}).values():
            value = metric.get("value")
            node = _node(entry, metric, labels)
            # With one scorer the whole suite's mean is that scorer's.
            whole = node is not None and not several and node == label_of((entry["name"],))
            found.append(
                StatedMetric(
                    name=_name(entry, metric),
                    value=value if number_of(value) is not None else None,
                    node="" if whole else node,
                )
            )
    return found


def _name(entry: Mapping[str, Any], metric: Mapping[str, Any]) -> str:
    key = (metric.get("params") or {}).get("group_key")
    group = f"{key}=" if metric.get("group") and key else ""
    reducer = entry.get("reducer")
    reduced = f"[{reducer}]" if reducer not in (None, "mean") else ""
    return f"{entry['name']}{reduced}/{group}{metric['name']}"


def _node(entry: Mapping[str, Any], metric: Mapping[str, Any], labels: set[str]) -> str | None:
    """None for what is no mean over cases: other reducers, errors, spreads, the tool's own."""
    if entry.get("reducer") not in (None, "mean"):
        return None
    name, scorer = str(entry["name"]), str(entry.get("scorer") or "")
    base = next((b for b in ((name,), (scorer, name)) if label_of(b) in labels), None)
    params = metric.get("params") or {}
    if base is None:
        return None
    if not metric.get("group"):
        return label_of(base) if _short(metric["name"]) in MEANS else None
    if _short((params.get("metric") or {}).get("name", "")) not in MEANS:
        return None
    group = label_of((*base, str(params.get("group_key")), str(metric["name"])))
    if group in labels:
        return group
    overall = metric["name"] == params.get("all_label", "all")
    return label_of(base) if overall and params.get("all", "samples") == "samples" else None


def _short(name: str) -> str:
    return name.rpartition("/")[2]
