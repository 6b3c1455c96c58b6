"""Checked arrays and lists; every refusal is a ValueError that begins with the field's name."""

import math
from collections.abc import Hashable, Sequence, Sized
from typing import Any

import numpy as np
from numpy.typing import NDArray

from releases.statistics.checks import (
    LARGEST,
    LARGEST_LOOP,
    SMALLEST,
    confidence_level,
    count,
    listed,
    number,
    shown,
)

__all__ = ["LARGEST_LOOP", "confidence_level", "count", "listed", "number", "shown"]

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]


def numbers(
    field: str,
    values: Any,
    *,
    at_least: float = -math.inf,
    at_most: float = math.inf,
    min_count: int = 1,
) -> Floats:
    """Return values as a one-dimensional float array inside the bounds, or raise ValueError."""
    given = listed(field, values)
    if len(given) < min_count:
        raise ValueError(f"{field}: needs at least {min_count} values, got {len(given)}")
    if isinstance(given, np.ndarray) and given.ndim == 1 and given.dtype.kind in "fiu":
        result = given.astype(np.float64)
        result[np.abs(result) < SMALLEST] = 0.0
    else:
        result = np.array([number(f"{field}[{i}]", v) for i, v in enumerate(given)], np.float64)
    _check_bounds(field, result, at_least, at_most)
    return result


def choices(field: str, values: Any, allowed: Sequence[float]) -> Floats:
    """Return values as floats that are each one of the allowed ones, or raise ValueError."""
    result = numbers(field, values)
    wrong = np.flatnonzero(~np.isin(result, allowed))
    if wrong.size:
        options = ", ".join(f"{v:g}" for v in allowed)
        raise ValueError(f"{field}[{wrong[0]}]: must be one of {options}, got {result[wrong[0]]:g}")
    return result


def samples(field: str, values: Any) -> list[Floats]:
    """Return one array of scores in 0..1 per case, at least one score each, or raise ValueError."""
    given = listed(field, values)
    if len(given) == 0:
        raise ValueError(f"{field}: needs at least one case")
    return [numbers(f"{field}[{i}]", row, at_least=0.0, at_most=1.0) for i, row in enumerate(given)]


def matrix(field: str, values: Any, width: int) -> Floats:
    """Return rows of `width` finite numbers as an array of shape (rows, width)."""
    plain = _plain_matrix(values, width)
    if plain is not None:
        return plain
    rows = [numbers(f"{field}[{i}]", row) for i, row in enumerate(listed(field, values))]
    for i, row in enumerate(rows):
        if row.size != width:
            raise ValueError(f"{field}[{i}]: needs {width} numbers, got {row.size}")
    return np.array(rows, np.float64).reshape(len(rows), width)


def _plain_matrix(values: Any, width: int) -> Floats | None:
    """Return the array at once when nothing in it can be refused: thousands of rows come here."""
    if not isinstance(values, list) or not all(
        type(row) is list and len(row) == width and all(type(v) in (int, float) for v in row)
        for row in values
    ):
        return None
    try:
        result = np.array(values, np.float64).reshape(len(values), width)
    except OverflowError:
        return None
    result[np.abs(result) < SMALLEST] = 0.0
    return result if np.all(np.abs(result) <= LARGEST) else None


def cluster_codes(field: str, labels: Sequence[Hashable] | None, n: int) -> Codes:
    """Return a cluster number from 0 for each of n cases; a case labelled None stands alone.

    Raises ValueError naming the field when there is not exactly one label a case.
    """
    if labels is None:
        return np.arange(n)
    given = listed(field, labels)
    if len(given) != n:
        raise ValueError(f"{field}: needs one label for each of {n} cases, got {len(given)}")
    seen: dict[Hashable, int] = {}
    for i, label in enumerate(given):
        if isinstance(label, list | dict | bool) or label != label:
            raise ValueError(f"{field}[{i}]: must be text, a number or null, got {shown(label)}")
        seen.setdefault(_key(label, i), len(seen))
    return np.array([seen[_key(label, i)] for i, label in enumerate(given)], np.intp)


def same_length(field: str, value: Sized, other: str, n: int) -> None:
    """Raise ValueError unless the field holds as many entries as the other one."""
    if len(value) != n:
        raise ValueError(f"{field}: needs as many entries as {other} ({n}), got {len(value)}")


def _key(label: Hashable, position: int) -> Hashable:
    return (None, position) if label is None else label


def _check_bounds(field: str, values: Floats, at_least: float, at_most: float) -> None:
    is_huge = ~(np.abs(values) <= LARGEST)
    wrong = np.flatnonzero(is_huge | (values < at_least) | (values > at_most))
    if wrong.size == 0:
        return
    at = wrong[0]
    if is_huge[at]:
        raise ValueError(f"{field}[{at}]: must be finite and of a sane size, got {values[at]:g}")
    raise ValueError(f"{field}[{at}]: must lie in {at_least:g}..{at_most:g}, got {values[at]:g}")
