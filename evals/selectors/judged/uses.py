"""The judges of a suite, fit to gate."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from evals.models import Calibration, JudgeVersion, Run
from evals.selectors import judges
from infra.errors import InvalidMove


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeUse:
    """A judge's version as a suite names it, with the calibration that stands."""

    version: JudgeVersion
    calibration: Calibration

    def as_dict(self) -> dict[str, Any]:
        found = self.calibration
        return {
            "judge": str(self.version),
            "calibration": str(found.pk),
            "n_labelled": found.n_items,
            "kappa": found.kappa,
            "kappa_lo": found.kappa_lo,
            "kappa_hi": found.kappa_hi,
            "floor": self.version.judge.floor,
        }


def uses_of(run: Run, now: datetime, then: datetime | None = None) -> list[JudgeUse]:
    """The judges of the run's suite; InvalidMove with the sentences when one is unfit to gate."""
    found, problems = [], []
    for version in judges.versions_of(run.version).values():
        calibration = judges.newest_calibration(version, then)
        problem = judges.unfit(version, calibration, now)
        if problem or calibration is None:
            problems.append(problem)
        else:
            found.append(JudgeUse(version=version, calibration=calibration))
    if problems:
        raise InvalidMove("judge_unfit", " ".join(problems))
    return found
