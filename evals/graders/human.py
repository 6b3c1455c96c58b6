"""`human`: the answer waits for people, who judge it blind; never scored by a program."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evals.graders.contract import COMPONENTS, Grade, GradedCase, Sample, single_labels
from evals.states import ResultState

KIND = "human"
SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {"components": COMPONENTS},
}
TARGET_SCHEMA: Mapping[str, Any] = {}


def labels(spec: Mapping[str, Any], case: GradedCase) -> tuple[str, ...]:
    """The components that people judge on the case."""
    return single_labels(spec, case)


def grade(spec: Mapping[str, Any], case: GradedCase, sample: Sample) -> Grade:
    """Always unscored."""
    return Grade(state=ResultState.UNSCORED, score=None, explanation="waits for people")
