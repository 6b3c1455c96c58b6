"""A candidate's way up: its steps, and where a ramp goes now. Pure.

A step is left once its time is over, a person has let it go on where it asks for `approval`, and
every guardrail is safe where it is `monitored`. Timed steps that are overdue, as after a downtime,
fold into one move; steps that ask for more than time are never skipped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from releases.durations import duration

WHOLE = 100
_OF_EVERY_GUARDRAIL = ("kind", "id", "action")


class Waits(StrEnum):
    """What a ramp waits for before it leaves its step."""

    TIME = "time"
    APPROVAL = "approval"
    GUARDRAILS = "guardrails"
    END = "end"
    """Every step is done; a person ends it, or the next promotion does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A share of the units, and what it takes to leave it."""

    percent: int
    lasts: timedelta | None = None
    approval: bool = False
    monitored: bool = False

    @property
    def is_timed(self) -> bool:
        """Whether time alone moves it on."""
        return not (self.approval or self.monitored)

    def ends_at(self, now: datetime) -> datetime | None:
        """The deadline of a step that begins now; None where a person alone moves it on."""
        if self.lasts is None and self.approval:
            return None
        return now + (self.lasts or timedelta(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class RampFacts:
    """Where a ramp stands; `step` equal to the number of steps: every step is done."""

    steps: tuple[Step, ...]
    holdback: int
    step: int
    ends_at: datetime | None
    is_approved: bool = False
    is_safe: bool = False
    """Whether every guardrail has seen enough and found no harm; False where there is none."""
    folds: bool = True
    """False once a due step was held up: that was no downtime, so nothing is made up for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NextStep:
    """Where the ramp goes now; `to` None: it stays, for what `waits` names."""

    to: int | None
    waits: tuple[Waits, ...] = ()
    n_folded: int = 0


def next_step(ramp: RampFacts, now: datetime) -> NextStep:
    """The step that the ramp moves to now, the number of steps when all are done."""
    waits = _waits(ramp, now)
    if waits:
        return NextStep(to=None, waits=waits)
    step = ramp.steps[ramp.step]
    due = ramp.ends_at if step.is_timed and ramp.ends_at is not None else now
    to = ramp.step + 1
    while ramp.folds and to < len(ramp.steps) and ramp.steps[to].is_timed:
        due += ramp.steps[to].lasts or timedelta(0)
        if due > now:
            break
        to += 1
    return NextStep(to=to, n_folded=to - ramp.step - 1)


def _waits(ramp: RampFacts, now: datetime) -> tuple[Waits, ...]:
    if ramp.step >= len(ramp.steps):
        return (Waits.END,)
    step = ramp.steps[ramp.step]
    found = []
    if ramp.ends_at is not None and now < ramp.ends_at:
        found.append(Waits.TIME)
    if step.approval and not ramp.is_approved:
        found.append(Waits.APPROVAL)
    if step.monitored and not ramp.is_safe:
        found.append(Waits.GUARDRAILS)
    return tuple(found)


def share_at(steps: Sequence[Step], holdback: int, step: int) -> int:
    """The candidate's percent there; never more than the holdback leaves."""
    most = WHOLE - holdback
    return most if step >= len(steps) else min(steps[step].percent, most)


def steps_of(items: Sequence[Mapping[str, Any]]) -> tuple[Step, ...]:
    """A policy's `ramp`; ValueError for a duration that is none."""
    return tuple(
        Step(
            percent=int(item["percent"]),
            lasts=duration(item["for"]) if item.get("for") else None,
            approval=item.get("approval") is True,
            monitored=item.get("monitored") is True,
        )
        for item in items
    )


def is_gradual(policy: Mapping[str, Any]) -> bool:
    """Whether a checkpoint takes this stage over in steps, or leaves an incumbent arm."""
    return bool(policy.get("ramp") or policy.get("holdback"))


def first_share(policy: Mapping[str, Any]) -> int:
    """The percent that a candidate begins with; 100 where it takes over at once."""
    return share_at(steps_of(policy.get("ramp") or ()), int(policy.get("holdback") or 0), 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """One of a policy's guardrails."""

    id: str
    kind: str
    action: str
    options: Mapping[str, Any]


def guardrails_of(policy: Mapping[str, Any]) -> tuple[Watched, ...]:
    """The stage's guardrails in order; ids default to `kind-n`."""
    seen: Counter[str] = Counter()
    found = []
    for item in policy.get("guardrails") or ():
        kind = str(item["kind"])
        seen[kind] += 1
        options = {key: value for key, value in item.items() if key not in _OF_EVERY_GUARDRAIL}
        name = str(item.get("id") or f"{kind}-{seen[kind]}")
        found.append(Watched(id=name, kind=kind, action=str(item["action"]), options=options))
    return tuple(found)
