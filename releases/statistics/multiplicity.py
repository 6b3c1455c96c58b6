"""Adjusted p-values for several questions asked together."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from releases.statistics import inputs
from releases.statistics.inputs import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjusted:
    """Adjusted p-values in the order of the input."""

    adjusted: tuple[float, ...]
    """One adjusted p-value a question, in 0..1."""


def holm(p: Sequence[float] | Floats) -> Adjusted:
    """Return Holm's step-down p-values, which bound the chance of any false call.

    `p` has shape (k,); none for k = 0. Raises ValueError naming the field. Source: Holm 1979.
    """
    values = inputs.numbers("p", p, at_least=0.0, at_most=1.0, min_count=0)
    order = np.argsort(values, kind="stable")
    steps = np.arange(len(values), 0, -1) * values[order]
    return _in_input_order(order, np.maximum.accumulate(steps))


def benjamini_hochberg(p: Sequence[float] | Floats) -> Adjusted:
    """Return step-up p-values, which bound the share of false entries in a list for people.

    `p` has shape (k,); none for k = 0. Raises ValueError naming the field.
    Source: Benjamini and Hochberg 1995.
    """
    values = inputs.numbers("p", p, at_least=0.0, at_most=1.0, min_count=0)
    order = np.argsort(values, kind="stable")
    steps = len(values) / np.arange(1, len(values) + 1) * values[order]
    return _in_input_order(order, np.minimum.accumulate(steps[::-1])[::-1])


def _in_input_order(order: np.ndarray, steps: Floats) -> Adjusted:
    result = np.empty(len(steps))
    result[order] = np.minimum(1.0, steps)
    return Adjusted(adjusted=tuple(result.tolist()))
