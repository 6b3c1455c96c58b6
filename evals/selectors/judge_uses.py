"""The judges that a suite is graded by, and how far each may be trusted now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from evals.models import Calibration, JudgeVersion, SuiteVersion
from evals.selectors import judges


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeOfSuite:
    """One judge's version with its newest calibration."""

    version: JudgeVersion
    calibration: Calibration | None
    sentence: str
    """Its numbers; empty before the first calibration."""
    problem: str
    """Why it may not gate; empty when it may."""


def judge_uses(version: SuiteVersion, now: datetime) -> list[JudgeOfSuite]:
    """By the references in the version's graders, in their order."""
    found = []
    for used in judges.versions_of(version).values():
        calibration = judges.newest_calibration(used)
        found.append(
            JudgeOfSuite(
                version=used,
                calibration=calibration,
                sentence=judges.sentence(calibration) if calibration else "",
                problem=judges.unfit(used, calibration, now),
            )
        )
    return found
