"""What a suite's shelf life does to a gate that rests on it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Any

from releases.gates import reading
from releases.gates.contract import Verdict
from releases.states import Outcome


class SuiteHealth(StrEnum):
    """How much a suite can still tell."""

    FRESH = "fresh"
    AGEING = "ageing"
    SATURATED = "saturated"
    EXPIRED = "expired"


# A suite that was never examined has no state; that is not the same as fresh.
_TRUSTED = frozenset({SuiteHealth.FRESH, SuiteHealth.AGEING})


def suite_health(observed: Mapping[str, Any]) -> SuiteHealth:
    """The state in the evidence; BadEvidence for one that nobody defined."""
    value = reading.text(observed, "suite_state")
    try:
        return SuiteHealth(value)
    except ValueError as error:
        raise reading.BadEvidence(f"suite_state is {value!r}, which is unknown") from error


def suite_name(observed: Mapping[str, Any]) -> str:
    """`sql@3`: the suite and the version the numbers come from."""
    return f"{reading.text(observed, 'suite')}@{reading.count(observed, 'version')}"


def capped(verdict: Verdict, observed: Mapping[str, Any]) -> Verdict:
    """The verdict after the suite's state: no pass on a saturated suite, nothing on an expired."""
    health, name = suite_health(observed), suite_name(observed)
    if health in _TRUSTED:
        return verdict
    if health is SuiteHealth.EXPIRED:
        clause = f"suite {name} is past its review date: renew it or waive this gate"
        return _held(verdict, "suite_expired", clause)
    if verdict.outcome is Outcome.PASS:
        clause = f"suite {name} is saturated and can't tell checkpoints apart: use its successor"
        return _held(verdict, "suite_saturated", clause)
    return verdict


def _held(verdict: Verdict, code: str, clause: str) -> Verdict:
    sentence = f"{verdict.sentence.rstrip('.')}; but {clause}."
    return replace(verdict, outcome=Outcome.INCONCLUSIVE, code=code, sentence=sentence)
