"""Every kind of gate: built in, or installed under the entry points `slipway.gates`."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib.metadata import entry_points

from releases.gates.answers import Manual, SignOff
from releases.gates.artifact import Artifact
from releases.gates.contract import Rule
from releases.gates.cost import Cost
from releases.gates.error_rate import ErrorRate
from releases.gates.eval_floor import EvalFloor
from releases.gates.eval_fresh import EvalFresh
from releases.gates.eval_improvement import EvalImprovement
from releases.gates.eval_no_regression import EvalNoRegression
from releases.gates.exposure import Exposure
from releases.gates.feedback_rate import FeedbackRate
from releases.gates.latency import Latency
from releases.gates.open_findings import OpenFindings
from releases.gates.preference import Preference
from releases.gates.replay import Replay
from releases.gates.soak import Soak

ENTRY_POINTS = "slipway.gates"
BUILT_IN: tuple[Rule, ...] = (
    Artifact(),
    EvalFloor(),
    EvalNoRegression(),
    EvalImprovement(),
    EvalFresh(),
    Soak(),
    Exposure(),
    FeedbackRate(),
    OpenFindings(),
    Latency(),
    ErrorRate(),
    Cost(),
    Preference(),
    Replay(),
    SignOff(),
    Manual(),
)


@functools.cache
def kinds() -> Mapping[str, Rule]:
    """Kind -> rule; an installed kind can't replace a built-in one."""
    found: dict[str, Rule] = {}
    for point in entry_points(group=ENTRY_POINTS):
        rule: Rule = point.load()()
        found[rule.kind] = rule
    return {**found, **{rule.kind: rule for rule in BUILT_IN}}
