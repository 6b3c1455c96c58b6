"""What a recorded number was computed from, as `python -m releases.statistics` takes it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from releases.gates import live_options
from releases.gates.live_options import Counts, live_terms, odds_limit


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodInput:
    """One call of one method, and the recorded numbers that it gives."""

    name: str
    """What the numbers are about: a node of a suite, an arm; empty: the whole."""
    method: str
    """A name that `python -m releases.statistics --list` prints."""
    given: Mapping[str, Any]
    """Its input, as JSON."""
    at: tuple[str, ...] = ()
    """Where in the gate's evidence the numbers stand."""
    fields: Mapping[str, str]
    """Field of the method's answer -> field of the evidence."""

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "method": self.method,
            "input": dict(self.given),
            "at": list(self.at),
            "fields": dict(self.fields),
        }


def method_input(row: Mapping[str, Any]) -> MethodInput:
    """Read back what `as_dict` wrote; KeyError or TypeError for something else."""
    return MethodInput(
        name=row["name"],
        method=row["method"],
        given=dict(row["input"]),
        at=tuple(row["at"]),
        fields=dict(row["fields"]),
    )


INTERVAL = {"lo": "lo", "hi": "hi"}
_SEQUENCE = {**INTERVAL, "estimate": "estimate", "p_always_valid": "p_always_valid"}


def live_inputs(
    kind: str, options: Mapping[str, Any], observed: Mapping[str, Any]
) -> list[MethodInput]:
    """The calls behind a live gate's interval: its counts are recorded beside it."""
    if kind not in _LIVE or not observed.get("interval"):
        return []
    found = _LIVE[kind](options, observed)
    if found is None:
        return []
    method, given, fields = found
    confidence = live_terms(options).confidence
    given = {**given, "confidence": confidence}
    return [
        MethodInput(name="", method=method, given=given, at=("interval",), fields=fields),
        *_running(observed, confidence),
        *_split(observed),
    ]


_Call = tuple[str, Mapping[str, Any], Mapping[str, str]] | None


def _running(observed: Mapping[str, Any], confidence: float) -> list[MethodInput]:
    """What all looks together left of the interval."""
    if not (observed.get("running") and observed.get("strata")):
        return []
    given = {"strata": observed["strata"], "confidence": confidence}
    return [
        MethodInput(
            name="running",
            method="odds_ratio_looks",
            given=given,
            at=("running",),
            fields=INTERVAL,
        )
    ]


def _split(observed: Mapping[str, Any]) -> list[MethodInput]:
    split = observed.get("split")
    if not split:
        return []
    return [MethodInput(name="split", method="traffic_split", given=dict(split), fields={})]


def _rate(options: Mapping[str, Any], observed: Mapping[str, Any]) -> _Call:
    if "at_most" in options or "at_most_ms" in options:
        bound = observed.get("bound")
        return ("rate_sequence", dict(bound), INTERVAL) if bound and bound.get("n") else None
    strata = observed.get("strata")
    if not strata:
        return None
    limit = 1.0 if "threshold_ms" in observed else odds_limit(options)
    return "odds_ratio_sequence", {"strata": strata, "null_ratio": limit}, _SEQUENCE


def _feedback(options: Mapping[str, Any], observed: Mapping[str, Any]) -> _Call:
    if options.get("counts") != Counts.CONFIRMED_FINDINGS:
        return _rate(options, observed)
    if "at_most_per_1000" in options:
        given = {"count": observed["count1"], "requests": observed["exposure1"]}
        return "feedback_rate", given, {**INTERVAL, "rate": "estimate"}
    given = {name: observed[name] for name in ("count1", "exposure1", "count0", "exposure0")}
    return "feedback_rate_ratio", given, {**INTERVAL, "ratio": "estimate"}


_ARMS = ("mean1", "sd1", "n1", "mean0", "sd0", "n0", "n_opt")


def _cost(options: Mapping[str, Any], observed: Mapping[str, Any]) -> _Call:
    if observed["interval"].get("lo") is None:
        return None
    if "at_most_micros" in options:
        return "mean_sequence", dict(observed["bound"]), INTERVAL
    given = {name: observed[name] for name in _ARMS}
    return "mean_difference_sequence", given, {**INTERVAL, "p_always_valid": "p_always_valid"}


_LIVE = {"error_rate": _rate, "latency": _rate, "feedback_rate": _feedback, "cost": _cost}
LIVE_KINDS = frozenset(_LIVE) & frozenset(live_options.GUARDRAIL_KINDS)


def found_at(evidence: Any, path: Sequence[str]) -> Mapping[str, Any] | None:
    """The object at that path of the evidence; None when there is none."""
    for name in path:
        evidence = evidence.get(name) if isinstance(evidence, Mapping) else None
    return evidence if isinstance(evidence, Mapping) else None
