"""Every kind of gate: built in, or installed under the entry points `slipway.gates`."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib.metadata import entry_points

from releases.gates.answers import Manual, SignOff
from releases.gates.artifact import Artifact
from releases.gates.contract import Rule
from releases.gates.eval_floor import EvalFloor
from releases.gates.eval_fresh import EvalFresh
from releases.gates.eval_no_regression import EvalNoRegression
from releases.gates.soak import Soak

ENTRY_POINTS = "slipway.gates"
BUILT_IN: tuple[Rule, ...] = (
    Artifact(),
    EvalFloor(),
    EvalNoRegression(),
    EvalFresh(),
    Soak(),
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
