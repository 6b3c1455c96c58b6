"""Adjusted p-values for several questions asked together; standard library only."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from releases.statistics import checks


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjusted:
    """Adjusted p-values in the order of the input."""

    adjusted: tuple[float, ...]
    """One adjusted p-value a question, in 0..1."""


def holm(p: Sequence[float]) -> Adjusted:
    """Return Holm's step-down p-values, which bound the chance of any false call.

    `p` has shape (k,); none for k = 0. Raises ValueError naming the field. Source: Holm 1979.
    """
    values = _chances(p)
    order = sorted(range(len(values)), key=values.__getitem__)
    steps = [(len(values) - rank) * values[at] for rank, at in enumerate(order)]
    return _in_input_order(order, accumulate(steps, max))


def benjamini_hochberg(p: Sequence[float]) -> Adjusted:
    """Return step-up p-values, which bound the share of false entries in a list for people.

    `p` has shape (k,); none for k = 0. Raises ValueError naming the field.
    Source: Benjamini and Hochberg 1995.
    """
    values = _chances(p)
    order = sorted(range(len(values)), key=values.__getitem__)
    steps = [len(values) / (rank + 1) * values[at] for rank, at in enumerate(order)]
    return _in_input_order(order[::-1], accumulate(reversed(steps), min))


def _chances(p: Any) -> list[float]:
    given = enumerate(checks.listed("p", p))
    # A p-value may be as small as it comes.
    bounds = {"at_least": 0.0, "at_most": 1.0, "smallest": 0.0}
    return [checks.number(f"p[{at}]", value, **bounds) for at, value in given]


def _in_input_order(order: Sequence[int], steps: Iterable[float]) -> Adjusted:
    adjusted = [0.0] * len(order)
    for at, step in zip(order, steps, strict=True):
        adjusted[at] = min(1.0, step)
    return Adjusted(adjusted=tuple(adjusted))
