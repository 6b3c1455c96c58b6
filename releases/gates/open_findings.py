"""`open_findings`: is anything bad that partners found still open? Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from releases.gates import options, reading
from releases.gates.contract import Evidence, Gate, Verdict
from releases.gates.severity import SEVERITY, Severity
from releases.states import Outcome

_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class _Finding:
    """A finding at or above the gate's severity, and whom it waits for."""

    title: str
    severity: Severity
    waits_for: str = ""

    def __str__(self) -> str:
        return f"“{self.title}” ({self.severity})"


class OpenFindings:
    """None open at or above a severity; closed by another than the owner, and confirmed gone."""

    kind = "open_findings"
    human = False
    schema = options.options_schema(
        {
            "stage": {"type": "string", "minLength": 1, "maxLength": 60},
            "none_open_at_or_above": SEVERITY,
        },
        required=["none_open_at_or_above"],
    )

    def judge(self, gate: Gate, evidence: Evidence, now: datetime) -> Verdict:
        """Fail names what is open; what nobody confirmed yet is inconclusive."""
        observed = evidence.observed or {}
        least = Severity(gate.options["none_open_at_or_above"])
        rows = _at_or_above(reading.rows(observed, "open"), least)
        is_open = [_finding(row) for row in rows if not _is_unconfirmed(row)]
        proposed = [_finding(row) for row in rows if _is_unconfirmed(row)]
        by_owner = [
            _finding(row, "closed_by")
            for row in _at_or_above(reading.rows(observed, "closed_by_owner"), least)
        ]
        unsure = [
            _finding(row, "reporter")
            for row in _at_or_above(reading.rows(observed, "unconfirmed"), least)
        ]
        clauses = _clauses(is_open, proposed, by_owner, unsure)
        outcome, code = _outcome(is_open, by_owner, bool(clauses))
        return Verdict(
            outcome=outcome,
            code=code,
            sentence=_sentence(clauses, least),
            observed={
                "n_open": len(is_open),
                "n_to_confirm": len(proposed),
                "n_closed_by_owner": len(by_owner),
                "n_unconfirmed": len(unsure),
            },
            required={"none_open_at_or_above": least.value},
            owner=", ".join(sorted({finding.waits_for for finding in unsure})),
        )


def _outcome(
    is_open: list[_Finding], by_owner: list[_Finding], anything: bool
) -> tuple[Outcome, str]:
    if is_open:
        return Outcome.FAIL, "findings_open"
    if by_owner:
        return Outcome.FAIL, "closed_by_owner"
    if anything:
        return Outcome.INCONCLUSIVE, "findings_unconfirmed"
    return Outcome.PASS, "no_findings_open"


def _at_or_above(rows: Sequence[Mapping[str, Any]], least: Severity) -> list[Mapping[str, Any]]:
    return [row for row in rows if _severity(row).rank >= least.rank]


def _severity(row: Mapping[str, Any]) -> Severity:
    value = reading.text(row, "severity")
    try:
        return Severity(value)
    except ValueError as error:
        raise reading.BadEvidence(f"severity is {value!r}, which is unknown") from error


def _is_unconfirmed(row: Mapping[str, Any]) -> bool:
    reading.text(row, "state")
    return reading.flag(row, "unconfirmed")


def _finding(row: Mapping[str, Any], waits_for: str = "") -> _Finding:
    reading.text(row, "id")
    return _Finding(
        title=reading.text(row, "title"),
        severity=_severity(row),
        waits_for=reading.text(row, waits_for) if waits_for else "",
    )


def _clauses(
    is_open: list[_Finding],
    proposed: list[_Finding],
    by_owner: list[_Finding],
    unsure: list[_Finding],
) -> list[str]:
    said = (
        (is_open, "open"),
        (by_owner, "closed by the checkpoint's own owner; somebody else has to look and close it"),
        (proposed, "proposed and not looked at; confirm or dismiss it"),
        (unsure, "closed, and the reporter has not confirmed that it is gone"),
    )
    return [f"{len(found)} {words}: {_named(found)}" for found, words in said if found]


def _named(found: list[_Finding]) -> str:
    worst = sorted(found, key=lambda finding: -finding.severity.rank)
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return f"{', '.join(map(str, worst[:_SHOWN]))}{more}"


def _sentence(clauses: list[str], least: Severity) -> str:
    if not clauses:
        return f"No finding of severity {least} or above is open."
    return f"Findings of severity {least} or above: {'; '.join(clauses)}."
