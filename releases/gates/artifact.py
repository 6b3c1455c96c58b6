"""`artifact`: are the files the registered ones, and does the upstream serve them? Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from releases.gates import options, reading
from releases.gates.contract import Evidence, Gate, Verdict
from releases.states import Outcome

_SHOWN = 5


class Identity(StrEnum):
    """What a deployment answered to the identity probe."""

    VERIFIED = "verified"
    CHANGED = "changed"
    UNVERIFIABLE = "unverifiable"


class Artifact:
    """The manifest holds in the object store, and a deployment answers for the checkpoint."""

    kind = "artifact"
    human = False
    schema = options.options_schema({"allow_unverifiable": {"type": "boolean"}})

    def judge(self, gate: Gate, evidence: Evidence, now: datetime) -> Verdict:
        """Fail names the files; an unverifiable upstream passes only where the gate allows it."""
        observed = evidence.observed or {}
        problems = reading.rows(observed, "problems")
        if problems:
            return _tampered(problems)
        n_files, n_bytes = reading.count(observed, "n_files"), reading.count(observed, "n_bytes")
        if n_files == 0:
            return _verdict(Outcome.INCONCLUSIVE, "no_files", "The manifest names no file.")
        files = f"{n_files} file{'s' * (n_files != 1)} ({n_bytes:,} bytes) match the manifest"
        deployments = [_deployment(row) for row in reading.rows(observed, "deployments")]
        return _served(files, deployments, bool(gate.options.get("allow_unverifiable", False)))


def _verdict(outcome: Outcome, code: str, sentence: str) -> Verdict:
    return Verdict(outcome=outcome, code=code, sentence=sentence)


def _tampered(problems: Sequence[Mapping[str, Any]]) -> Verdict:
    named = [reading.text(problem, "problem").rstrip(".") for problem in problems]
    more = f"; and {len(named) - _SHOWN} more" if len(named) > _SHOWN else ""
    sentence = f"The artifact is not the registered one: {'; '.join(named[:_SHOWN])}{more}."
    return _verdict(Outcome.FAIL, "artifact_changed", sentence)


def _deployment(row: Mapping[str, Any]) -> tuple[str, Identity]:
    value = reading.text(row, "identity")
    try:
        return reading.text(row, "name"), Identity(value)
    except ValueError as error:
        raise reading.BadEvidence(f"identity is {value!r}, which is unknown") from error


def _served(files: str, deployments: list[tuple[str, Identity]], lenient: bool) -> Verdict:
    changed = [name for name, identity in deployments if identity is Identity.CHANGED]
    unknown = [name for name, identity in deployments if identity is Identity.UNVERIFIABLE]
    if changed:
        sentence = f"{files}, but {', '.join(changed)} no longer answers as it was registered."
        return _verdict(Outcome.FAIL, "upstream_changed", sentence)
    if not deployments:
        sentence = f"{files}, but no active deployment serves this checkpoint: add one."
        return _verdict(Outcome.INCONCLUSIVE, "not_deployed", sentence)
    if unknown and not lenient:
        sentence = (
            f"{files}, but nobody could verify what {', '.join(unknown)} serves: probe it, or set "
            "allow_unverifiable on this gate."
        )
        return _verdict(Outcome.INCONCLUSIVE, "upstream_unverifiable", sentence)
    how = "taken unverified, as this gate allows" if unknown else "verified"
    n = len(deployments)
    sentence = f"{files}; {n} deployment{'s' * (n != 1)} {how}."
    return _verdict(Outcome.PASS, "artifact_verified", sentence)
