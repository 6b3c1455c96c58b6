"""Which points of the cost, latency and quality trade no other point beats."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from releases.statistics import inputs


@dataclass(frozen=True, slots=True, kw_only=True)
class Frontier:
    """The points that nothing dominates."""

    frontier: tuple[int, ...]
    """Their positions in the input, ascending; equal points all stay."""


def pareto_frontier(points: Sequence[Sequence[float]]) -> Frontier:
    """Return the frontier of rows [quality, cost, latency]: quality up, the others down.

    A point is dominated when another is at least as good on all three and better on one.
    Raises ValueError naming the field.
    """
    rows = inputs.matrix("points", points, 3) * np.array([-1.0, 1.0, 1.0])
    kept = [
        at
        for at, row in enumerate(rows)
        if not np.any(np.all(rows <= row, axis=1) & np.any(rows < row, axis=1))
    ]
    return Frontier(frontier=tuple(kept))
