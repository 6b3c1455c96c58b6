"""Where the parts of a forest plot lie, in per cent of its width. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from evals import components
from releases.statistics.verdicts import PASSING, Verdict

_PAD = 0.06
_STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5, 1.0)
_MOST_TICKS = 7


class Order(StrEnum):
    """In which order components stand."""

    TREE = "tree"
    WORST = "worst"
    """The largest loss first; what has no number last."""


class Only(StrEnum):
    """Which components are shown."""

    ALL = "all"
    WORSE = "worse"
    BETTER = "better"
    UNSETTLED = "unsettled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A labelled place on the axis."""

    x: float
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One node of a comparison with its place in the plot; None where it has no number."""

    node: Mapping[str, Any]
    depth: int
    label: str
    dot: float | None
    left: float | None
    right: float | None
    tone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Forest:
    """The plot of a whole comparison on one scale."""

    lines: Sequence[Line]
    zero: float
    margin: float
    """Where the candidate is worse by exactly the margin."""
    ticks: Sequence[Tick]


def forest_of(nodes: Sequence[Mapping[str, Any]], margin: float, suite: str) -> Forest:
    """Places of every node's delta and interval; ends that are not finite touch the border."""
    ends = [_finite(node[key]) for node in nodes for key in ("lo", "hi", "delta")]
    found = [end for end in ends if end is not None]
    least, most = min([-margin, 0.0, *found]), max([margin, 0.0, *found])
    pad = (most - least) * _PAD or 0.01
    least, most = least - pad, most + pad

    def place(value: float) -> float:
        return round(100 * (value - least) / (most - least), 2)

    return Forest(
        lines=[_line(node, suite, place) for node in nodes],
        zero=place(0.0),
        margin=place(-margin),
        ticks=[
            Tick(x=place(at), label=f"{100 * at:+.0f}" if at else "0") for at in _ticks(least, most)
        ],
    )


_TONES = {Only.WORSE: "bad", Only.BETTER: "good", Only.UNSETTLED: "dim"}


def counted(forest: Forest) -> dict[Only, int]:
    """How many components of each kind there are, the whole suite left out."""
    tones = [line.tone for line in forest.lines if line.node["node"] != components.ROOT]
    found = {only: tones.count(tone) for only, tone in _TONES.items()}
    return {Only.ALL: len(tones), **found}


def arranged(forest: Forest, order: Order, only: Only, within: str = components.ROOT) -> Forest:
    """The lines at or below `within`, of that kind, in that order; on the same scale as before.

    The whole suite stays first where nothing else narrows the list.
    """
    lines = [line for line in forest.lines if components.is_within(line.node["node"], within)]
    if only is not Only.ALL:
        lines = [line for line in lines if line.tone == _TONES[only]]
    if order is Order.WORST:
        lines = [replace(line, depth=0) for line in sorted(lines, key=_by_loss)]
    return replace(forest, lines=lines)


def _by_loss(line: Line) -> tuple[bool, bool, float]:
    delta = _finite(line.node["delta"])
    is_root = line.node["node"] == components.ROOT
    return not is_root, delta is None, 0.0 if delta is None else delta


def _line(node: Mapping[str, Any], suite: str, place: Any) -> Line:
    name = node["node"]
    delta, lo, hi = (_finite(node[key]) for key in ("delta", "lo", "hi"))
    has_interval = node["lo"] is not None and node["hi"] is not None
    return Line(
        node=node,
        depth=len(components.parse(name)),
        label=name or f"{suite}, whole suite",
        dot=None if delta is None else place(delta),
        left=(0.0 if lo is None else place(lo)) if has_interval else None,
        right=(100.0 if hi is None else place(hi)) if has_interval else None,
        tone=tone_of(node["corrected_verdict"]),
    )


def tone_of(verdict: str) -> str:
    """good, bad or dim."""
    if Verdict(verdict) in PASSING:
        return "good"
    return "bad" if Verdict(verdict) in (Verdict.REGRESSION, Verdict.WORSE) else "dim"


def _finite(value: Any) -> float | None:
    """The number; None for nothing and for an infinity, which JSON keeps as a word."""
    return value if isinstance(value, int | float) and math.isfinite(value) else None


def _ticks(least: float, most: float) -> list[float]:
    step = next((s for s in _STEPS if (most - least) / s <= _MOST_TICKS), _STEPS[-1])
    first = math.ceil(least / step)
    return [n * step for n in range(first, math.floor(most / step) + 1)]
