"""Checked input of the methods: every refusal is a ValueError that begins with the field's name."""

import math
from collections.abc import Hashable, Sequence, Sized
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

TYPE_NAMES = {dict: "an object", list: "a list", str: "text", bool: "true or false"}

# Beyond these, squares overflow and arrays outgrow memory: such input is a mistake.
LARGEST = 1e100
LARGEST_COUNT = 10**12
LARGEST_LOOP = 10**7

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]


def number(
    field: str,
    value: Any,
    *,
    at_least: float = -math.inf,
    at_most: float = math.inf,
    above: float = -math.inf,
    below: float = math.inf,
) -> float:
    """Return value as a finite float inside the bounds, or raise ValueError naming the field."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise ValueError(f"{field}: must be a number, got {_shown(value)}")
    try:
        result = float(value)
    except OverflowError as error:
        raise ValueError(f"{field}: is too large for a number") from error
    if not math.isfinite(result) or abs(result) > LARGEST:
        raise ValueError(f"{field}: must be finite and of a sane size, got {result:g}")
    if result < at_least or result <= above:
        bound = f"at least {at_least:g}" if result < at_least else f"above {above:g}"
        raise ValueError(f"{field}: must be {bound}, got {result:g}")
    if result > at_most or result >= below:
        bound = f"at most {at_most:g}" if result > at_most else f"below {below:g}"
        raise ValueError(f"{field}: must be {bound}, got {result:g}")
    return result


def count(field: str, value: Any, *, at_least: int = 0, at_most: int = LARGEST_COUNT) -> int:
    """Return value as a whole number inside the bounds, or raise ValueError."""
    result = number(field, value, at_least=at_least, at_most=at_most)
    if result != int(result):
        raise ValueError(f"{field}: must be a whole number, got {result:g}")
    return int(result)


def confidence_level(value: Any) -> float:
    """Return a two-sided confidence level strictly between 0 and 1, or raise ValueError."""
    return number("confidence", value, above=0.0, below=1.0)


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
    else:
        result = np.array([number(f"{field}[{i}]", v) for i, v in enumerate(given)], np.float64)
    _check_bounds(field, result, at_least, at_most)
    return result


def choices(field: str, values: Any, allowed: Sequence[float]) -> Floats:
    """Return values as floats that are each one of the allowed ones, or raise ValueError."""
    result = numbers(field, values)
    wrong = np.flatnonzero(~np.isin(result, allowed))
    if wrong.size:
        shown = ", ".join(f"{v:g}" for v in allowed)
        raise ValueError(f"{field}[{wrong[0]}]: must be one of {shown}, got {result[wrong[0]]:g}")
    return result


def samples(field: str, values: Any) -> list[Floats]:
    """Return one array of scores in 0..1 per case, at least one score each, or raise ValueError."""
    given = listed(field, values)
    if len(given) == 0:
        raise ValueError(f"{field}: needs at least one case")
    return [numbers(f"{field}[{i}]", row, at_least=0.0, at_most=1.0) for i, row in enumerate(given)]


def matrix(field: str, values: Any, width: int) -> Floats:
    """Return rows of `width` finite numbers as an array of shape (rows, width)."""
    rows = [numbers(f"{field}[{i}]", row) for i, row in enumerate(listed(field, values))]
    for i, row in enumerate(rows):
        if row.size != width:
            raise ValueError(f"{field}[{i}]: needs {width} numbers, got {row.size}")
    return np.array(rows, np.float64).reshape(len(rows), width)


def listed(field: str, values: Any) -> Any:
    """Return values when they are a list, a tuple or an array, or raise ValueError."""
    if isinstance(values, list | tuple | np.ndarray):
        return values
    raise ValueError(f"{field}: must be a list, got {_shown(values)}")


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
            raise ValueError(f"{field}[{i}]: must be text, a number or null, got {_shown(label)}")
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


def _shown(value: Any) -> str:
    return "null" if value is None else TYPE_NAMES.get(type(value), type(value).__name__)
