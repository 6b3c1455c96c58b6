"""Whether a run may stop before its last case: each node's running interval has cleared the margin.

Source: `statistics.md` section 2c: a fifth of alpha (1 of 5%) for the interval that is looked at
while the run goes on, the rest (4%) for the one at the end.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from releases.statistics import inputs
from releases.statistics.betting_sequence import BoundedSequence, bounded_sequence
from releases.statistics.inputs import Floats
from releases.statistics.verdicts import Verdict, is_sufficient, verdict_of

RUNNING_SHARE = 0.2


def running_confidence(confidence: float) -> float:
    """Return the confidence of the interval that is looked at all the time: 99% of 95%."""
    return 1 - RUNNING_SHARE * (1 - inputs.confidence_level(confidence))


def final_confidence(confidence: float) -> float:
    """Return the confidence of the interval at the end of a run that did not stop: 96% of 95%."""
    return 1 - (1 - RUNNING_SHARE) * (1 - inputs.confidence_level(confidence))


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeUnits:
    """A node's paired cases so far, in the order that was drawn before the run began."""

    units: NDArray[np.int64]
    """Place, in the run's order, of the unit (cluster) that each case belongs to, shape (n,),
    ascending: no unit is broken up."""
    lows: Floats
    """Candidate minus baseline with missing scores at their worst, in -1..1, shape (n,)."""
    highs: Floats
    """The same with missing scores at their best, shape (n,)."""
    largest: int
    """Cases of the node's largest unit in the whole suite."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStop:
    """What one node says at the moment the run stops."""

    n: int
    """Cases."""
    n_units: int
    """Units of those cases."""
    delta: float
    """Mean difference, missing scores halfway."""
    lo: float
    """Lower end of the running interval, missing scores at their worst."""
    hi: float
    """Upper end of the running interval, missing scores at their best."""
    verdict: Verdict
    """Of that interval against the margin."""


def settled_after(
    nodes: Mapping[str, NodeUnits], margin: float, confidence: float = 0.95
) -> int | None:
    """Return after how many units of the run every node had cleared the margin; None: not yet.

    A node has cleared once its running interval lay wholly above minus the margin, or wholly below
    it; ten cases in five units are the least. `margin` is in score units. The answer does not
    depend on when it is asked. Raises ValueError naming the field, also without a node.
    """
    limit = inputs.number("margin", margin, at_least=0.0, at_most=1.0)
    if not nodes:
        raise ValueError("nodes: needs at least one node")
    last = 0
    for node in nodes.values():
        cleared = _cleared_after(node, limit, confidence)
        if cleared is None:
            return None
        last = max(last, cleared)
    return last


def node_at(node: NodeUnits, n_units: int, margin: float, confidence: float = 0.95) -> NodeStop:
    """Return what the node says after the run's first `n_units` units; at least one case of it."""
    kept = node.units < n_units
    units, lows, highs = node.units[kept], node.lows[kept], node.highs[kept]
    part = NodeUnits(units=units, lows=lows, highs=highs, largest=node.largest)
    lo = 2 * _sequence(part, lows, confidence).interval.lo - 1
    hi = 2 * _sequence(part, highs, confidence).interval.hi - 1
    return NodeStop(
        n=len(units),
        n_units=len(np.unique(units)),
        delta=float((lows + highs).mean() / 2),
        lo=lo,
        hi=hi,
        verdict=verdict_of(lo, hi, margin) if lo <= hi else Verdict.INVALID,
    )


def _cleared_after(node: NodeUnits, margin: float, confidence: float) -> int | None:
    """Units of the run after which the node had cleared."""
    places = np.unique(node.units)
    if not is_sufficient(len(node.units), len(places)):
        return None
    edge = (1 - margin) / 2
    above = _sequence(node, node.lows, confidence).first_above(edge)
    below = _sequence(node, node.highs, confidence).first_below(edge)
    found = [at for at in (above, below) if at is not None]
    if not found:
        return None
    cleared = int(places[min(found) - 1]) + 1
    return max(cleared, _enough_after(node, places))


def _enough_after(node: NodeUnits, places: NDArray[np.int64]) -> int:
    """Units of the run after which the node has ten cases in five units."""
    counts = np.searchsorted(node.units, places, side="right")
    enough = [is_sufficient(int(n), at + 1) for at, n in enumerate(counts)]
    return int(places[enough.index(True)]) + 1


def _sequence(node: NodeUnits, d: Floats, confidence: float) -> BoundedSequence:
    labels = node.units.tolist() if node.largest > 1 else None
    level = running_confidence(confidence)
    return bounded_sequence((d + 1) / 2, labels, node.largest, level, running=True)
