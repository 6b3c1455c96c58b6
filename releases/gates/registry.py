"""Every kind of gate: built in, or installed under the entry points `slipway.gates`."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from datetime import datetime
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from releases.gates.answers import Manual, SignOff
from releases.gates.artifact import Artifact
from releases.gates.contract import Evidence, Gate, Rule, Verdict
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
from releases.states import Outcome

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
_FAILURES = (
    ArithmeticError,
    AttributeError,
    ImportError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)


class Broken:
    """Stands for an installed kind that can't be used: every gate of it is an error."""

    human = False
    # Its own options are not known, so a file that names them is not refused for them.
    schema: Mapping[str, Any] = {}

    def __init__(self, *, kind: str, problem: str) -> None:
        self.kind = kind
        self.problem = problem

    def judge(self, gate: Gate, evidence: Evidence, now: datetime) -> Verdict:
        """An error that says what to repair."""
        return Verdict(outcome=Outcome.ERROR, code="broken_kind", sentence=self.problem)


@functools.cache
def kinds() -> Mapping[str, Rule]:
    """Kind -> rule; an installed kind can't replace a built-in one."""
    return {**installed(entry_points(group=ENTRY_POINTS)), **{r.kind: r for r in BUILT_IN}}


def installed(points: Iterable[EntryPoint]) -> dict[str, Rule]:
    """The kinds of installed packages by name; one that two packages claim is broken."""
    found: dict[str, Rule] = {}
    for point in points:
        if point.name in found:
            problem = f"Two installed packages claim the gate kind {point.name!r}: remove one."
            found[point.name] = Broken(kind=point.name, problem=problem)
        else:
            found[point.name] = _loaded(point)
    return found


def _loaded(point: EntryPoint) -> Rule:
    try:
        rule: Rule = point.load()()
        usable = rule.kind == point.name and callable(rule.judge)
        usable = usable and isinstance(rule.schema, Mapping) and isinstance(rule.human, bool)
        why = f"it is not a rule of the kind {point.name!r}"
    except _FAILURES as error:
        usable, why = False, repr(error)
    if usable:
        return rule
    problem = f"The gate kind {point.name!r} of {point.value} can't be used: {why}."
    return Broken(kind=point.name, problem=problem)
