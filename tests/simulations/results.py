"""One line of a simulation: what was measured, what is known of it, and what it may not exceed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

SEED = 20261123


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A measured number beside the one that the method promises."""

    what: str
    measured: str
    known: str
    """The number that the method's description gives."""
    runs: int
    is_kept: bool = True
    """Whether the guarantee holds, sampling error of the simulation allowed for."""


Simulation = Callable[[np.random.Generator, float], list[Row]]


def at_most(share: float, runs: int, limit: float) -> bool:
    """Whether a share of runs is no surprise under the limit (four standard errors)."""
    return share <= limit + 4 * (limit * (1 - limit) / runs) ** 0.5


def at_least(share: float, runs: int, limit: float) -> bool:
    return at_most(1 - share, runs, 1 - limit)


def percent(share: float) -> str:
    return f"{100 * share:.1f}%"
