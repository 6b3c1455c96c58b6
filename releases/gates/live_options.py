"""Options of the kinds that are judged on live traffic, as gates and as guardrails. Pure.

A gate reads the stage named by `stage`, or those in the `after` of its own stage; a guardrail
watches the stage it stands in. What a key leaves out is one of the defaults below, for the source
of evidence and for the rule alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from releases.gates.options import BLOCK_ON, CONFIDENCE, DEFAULT_CONFIDENCE, Schema
from releases.gates.severity import SEVERITY
from releases.statistics.margins import margin_odds


class Per(StrEnum):
    """What is counted once: a user's conversation in one arm, or every request."""

    UNIT = "unit"
    REQUEST = "request"


class Counts(StrEnum):
    """Which feedback a `feedback_rate` is about."""

    THUMBS_DOWN = "thumbs_down"
    CONFIRMED_FINDINGS = "confirmed_findings"


DEFAULT_MIN_UNITS = 100
"""Units an arm needs before anything passes; harm counts below it."""
DEFAULT_MIN_REQUESTS = 1000
"""The same for confirmed findings, which are counted per request."""
DEFAULT_EXPECTED_UNITS = 4000
"""Units where a decision is expected: what sequences without a baseline are tuned for."""
DEFAULT_QUANTILE = 0.95
DEFAULT_PER = Per.UNIT

_RATE: Schema = {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}
_RATIO: Schema = {"type": "number", "minimum": 1, "maximum": 50}
_ARM: Schema = {
    "type": "object",
    "properties": {"arm": {"const": "incumbent"}},
    "required": ["arm"],
    "additionalProperties": False,
    "description": "The incumbent arm that serves beside the candidate.",
}
_STAGE: Schema = {"type": "string", "minLength": 1, "maxLength": 60}

_OF_EVERY_WATCH: Schema = {"baseline": _ARM, "confidence": CONFIDENCE}
_UNITS: Schema = {
    "per": {"enum": [per.value for per in Per]},
    "min_units": {"type": "integer", "minimum": 20, "maximum": 10**9},
    "expected_units": {"type": "integer", "minimum": 100, "maximum": 10**9},
}
_LIMITS: Schema = {
    "ratio_at_most": _RATIO,
    "margin": _RATE,
    "reference_rate": _RATE,
    "at_most": _RATE,
}
_LATENCY: Schema = {
    "ratio_at_most": _RATIO,
    "at_most_ms": {"type": "number", "exclusiveMinimum": 0, "maximum": 10**9},
    "quantile": _RATE,
}
_COST: Schema = {
    "ratio_at_most": {"type": "number", "exclusiveMinimum": 1, "maximum": 50},
    "at_most_micros": {"type": "number", "exclusiveMinimum": 0, "maximum": 10**15},
}
_GATE_ONLY: Schema = {"stage": _STAGE, "block_on": BLOCK_ON}


def _one_of(*keys: str) -> list[Schema]:
    return [{"required": [key]} for key in keys]


def _closed(properties: Schema, **more: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "additionalProperties": False,
        **more,
    }


_RATE_TERMS: Mapping[str, Any] = {
    "oneOf": _one_of("ratio_at_most", "margin", "at_most"),
    "dependentRequired": {
        "margin": ["reference_rate"],
        "expected_units": ["at_most"],
    },
}
_RATE_WATCH: Schema = {**_OF_EVERY_WATCH, **_UNITS, **_LIMITS}
_LATENCY_WATCH: Schema = {**_OF_EVERY_WATCH, **_UNITS, **_LATENCY}
_COST_WATCH: Schema = {**_OF_EVERY_WATCH, **_UNITS, **_COST}
_THUMBS: Schema = {"counts": {"const": Counts.THUMBS_DOWN.value}}
_FINDINGS: Schema = {
    "counts": {"const": Counts.CONFIRMED_FINDINGS.value},
    "at_or_above": SEVERITY,
    "min_requests": {"type": "integer", "minimum": 1, "maximum": 10**12},
    "ratio_at_most": _RATIO,
    "at_most_per_1000": {"type": "number", "exclusiveMinimum": 0, "maximum": 1000},
}

ERROR_RATE: Schema = _closed({**_RATE_WATCH, **_GATE_ONLY}, **_RATE_TERMS)
LATENCY: Schema = _closed(
    {**_LATENCY_WATCH, **_GATE_ONLY}, oneOf=_one_of("ratio_at_most", "at_most_ms")
)
COST: Schema = _closed(
    {**_COST_WATCH, **_GATE_ONLY}, oneOf=_one_of("ratio_at_most", "at_most_micros")
)
_THUMBS_GATE = _closed({**_RATE_WATCH, **_GATE_ONLY, **_THUMBS}, **_RATE_TERMS)
_FINDINGS_GATE = _closed(
    {**_OF_EVERY_WATCH, **_GATE_ONLY, **_FINDINGS},
    oneOf=_one_of("ratio_at_most", "at_most_per_1000"),
)
FEEDBACK_RATE: Schema = {
    "type": "object",
    "properties": {"counts": {"enum": [counts.value for counts in Counts]}},
    "required": ["counts"],
    "if": {"properties": {"counts": {"const": Counts.CONFIRMED_FINDINGS.value}}},
    "then": _FINDINGS_GATE,
    "else": _THUMBS_GATE,
}

GUARDRAIL_KINDS: Mapping[str, Schema] = {
    "error_rate": _closed(_RATE_WATCH, **_RATE_TERMS),
    "feedback_rate": _closed({**_RATE_WATCH, **_THUMBS}, **_RATE_TERMS, required=["counts"]),
    "latency": _closed(_LATENCY_WATCH, oneOf=_one_of("ratio_at_most", "at_most_ms")),
    "cost": _closed(_COST_WATCH, oneOf=_one_of("ratio_at_most", "at_most_micros")),
}
"""Options of each kind of guardrail, without `kind`, `id` and `action`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveTerms:
    """What live numbers are gathered and judged by, with the defaults filled in."""

    per: Per
    min_units: int
    expected_units: int
    confidence: float
    quantile: float


def live_terms(given: Mapping[str, Any]) -> LiveTerms:
    """The terms of a gate's or a guardrail's options."""
    return LiveTerms(
        per=Per(given.get("per", DEFAULT_PER)),
        min_units=int(given.get("min_units", DEFAULT_MIN_UNITS)),
        expected_units=int(given.get("expected_units", DEFAULT_EXPECTED_UNITS)),
        confidence=float(given.get("confidence", DEFAULT_CONFIDENCE)),
        quantile=float(given.get("quantile", DEFAULT_QUANTILE)),
    )


def needs_baseline(given: Mapping[str, Any]) -> bool:
    """Whether the options compare with the incumbent arm, so that one has to serve beside."""
    return "ratio_at_most" in given or "margin" in given


def shared_confidence(n_watches: int, confidence: float = DEFAULT_CONFIDENCE) -> float:
    """The level of each of several watches under which all of them rarely err.

    Any one of them halts, so the risk of a false halt is divided among them.
    """
    return 1 - (1 - confidence) / max(1, n_watches)


def odds_limit(given: Mapping[str, Any]) -> float:
    """The odds ratio that `ratio_at_most` or `margin` amounts to.

    At the `reference_rate`, which a policy fixes before the stage; a ratio without one is read as
    a ratio of odds, which asks at least as much. ValueError when no such rate exists.
    """
    if "reference_rate" not in given:
        return float(given["ratio_at_most"])
    rate, ratio = float(given["reference_rate"]), float(given.get("ratio_at_most", 1))
    if "ratio_at_most" in given:
        return margin_odds(rate, 0.0, ratio).from_ratio
    return margin_odds(rate, float(given["margin"]), 1.0).from_points
