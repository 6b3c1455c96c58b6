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


def because(observed: Mapping[str, Any]) -> str:
    """` (the reason)` of the suite's state; empty when the evidence gives none."""
    reason = observed.get("reason")
    return f" ({reason})" if isinstance(reason, str) and reason else ""


def expired(observed: Mapping[str, Any]) -> str:
    """What an expired suite is, with the reason when the evidence gives one."""
    told = because(observed)
    return f"has expired{told}" if told else "is past its review date"


def capped(verdict: Verdict, observed: Mapping[str, Any]) -> Verdict:
    """The verdict after the suite's state: no pass on a saturated suite, nothing on an expired.

    Numbers that another tool made are named as such.
    """
    return _capped(_told_imported(verdict, observed), observed)


def _told_imported(verdict: Verdict, observed: Mapping[str, Any]) -> Verdict:
    """The sentence with the checkpoints whose run was imported; older evidence names none."""
    names = list(dict.fromkeys(observed.get("imported", ())))
    if not names:
        return verdict
    clause = f"the run of {' and '.join(map(str, names))} was imported, not made here"
    return replace(verdict, sentence=f"{verdict.sentence.rstrip('.')} ({clause}).")


def _capped(verdict: Verdict, observed: Mapping[str, Any]) -> Verdict:
    health, name = suite_health(observed), suite_name(observed)
    if health in _TRUSTED:
        return verdict
    if health is SuiteHealth.EXPIRED:
        clause = f"suite {name} {expired(observed)}: renew it or waive this gate"
        return _held(verdict, "suite_expired", clause)
    if verdict.outcome is Outcome.PASS:
        why = because(observed) or " and can't tell checkpoints apart"
        clause = f"suite {name} is saturated{why}: use its successor"
        return _held(verdict, "suite_saturated", clause)
    return verdict


def _held(verdict: Verdict, code: str, clause: str) -> Verdict:
    sentence = f"{verdict.sentence.rstrip('.')}; but {clause}."
    return replace(verdict, outcome=Outcome.INCONCLUSIVE, code=code, sentence=sentence)
