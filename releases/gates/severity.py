"""How bad a finding is. Pure."""

from __future__ import annotations

from enum import StrEnum

from releases.gates.options import Schema


class Severity(StrEnum):
    """In rising order."""

    MINOR = "minor"
    MAJOR = "major"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        return list(Severity).index(self)


SEVERITY: Schema = {"enum": [severity.value for severity in Severity]}
