"""Guardrails: live numbers of a candidate, looked at every few seconds. Pure.

The intervals hold at every look, so looking often costs nothing. One look is judged here; that
harm stays harm is the caller's to keep.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from releases.gates import reading
from releases.gates.contract import Evidence
from releases.gates.cost import read_cost
from releases.gates.error_rate import read_error_rate
from releases.gates.feedback_rate import read_feedback_rate
from releases.gates.judgement import CRASHES
from releases.gates.latency import read_latency
from releases.gates.live_options import GUARDRAIL_KINDS, needs_baseline, shared_confidence
from releases.gates.live_verdict import Live
from releases.states import Watch

__all__ = ["GUARDRAIL_KINDS", "Watched", "needs_baseline", "shared_confidence", "watch"]

_READERS: Mapping[str, Callable[[Mapping[str, Any], Mapping[str, Any], datetime], Live]] = {
    "error_rate": read_error_rate,
    "feedback_rate": read_feedback_rate,
    "latency": read_latency,
    "cost": read_cost,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """One look: what was seen, and one sentence with numbers."""

    watch: Watch
    code: str
    sentence: str
    observed: Mapping[str, Any] = field(default_factory=dict)
    required: Mapping[str, Any] = field(default_factory=dict)


def watch(kind: str, options: Mapping[str, Any], evidence: Evidence, now: datetime) -> Watched:
    """Harm below the minimum sample too; safe only above it; anything broken is invalid.

    Invalid and watching say nothing about the checkpoint: the next look may.
    """
    reader = _READERS.get(kind)
    if reader is None:
        known = ", ".join(sorted(_READERS))
        return _invalid("unknown_kind", f"No guardrail watches {kind!r}; known: {known}.")
    if evidence.problem:
        return _invalid("evidence_failed", f"Gathering evidence failed: {evidence.problem}")
    if evidence.observed is None or evidence.missing:
        what = evidence.missing or "there is no evidence yet."
        return Watched(watch=Watch.WATCHING, code="no_evidence", sentence=f"Can't tell: {what}")
    try:
        reading.reject_nan(evidence.observed)
        found = reader(options, evidence.observed, now)
    except reading.BadEvidence as error:
        return _invalid("bad_evidence", f"The evidence can't be used: {error}.")
    except CRASHES as error:
        return _invalid("rule_crashed", f"The rule {kind} crashed: {error!r}.")
    return Watched(
        watch=found.watch,
        code=found.code,
        sentence=found.watch_sentence(),
        observed=found.observed,
        required=found.required,
    )


def _invalid(code: str, sentence: str) -> Watched:
    return Watched(watch=Watch.INVALID, code=code, sentence=sentence)
