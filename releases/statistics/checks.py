"""Checked numbers; every refusal is a ValueError that begins with the field's name.

Standard library only, importable by pure code.
"""

import math
from numbers import Real
from typing import Any

TYPE_NAMES = {dict: "an object", list: "a list", str: "text", bool: "true or false"}

# Beyond these, products of squares overflow and arrays outgrow memory: such input is a mistake.
LARGEST = 1e50
# Nearer to 0, quotients overflow: such input is 0.
SMALLEST = 1e-50
LARGEST_COUNT = 10**12
LARGEST_LOOP = 10**7


def number(
    field: str,
    value: Any,
    *,
    at_least: float = -math.inf,
    at_most: float = math.inf,
    above: float = -math.inf,
    below: float = math.inf,
    smallest: float = SMALLEST,
) -> float:
    """Return value as a finite float inside the bounds, or raise ValueError naming the field.

    What is nearer to 0 than `smallest` is 0.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise ValueError(f"{field}: must be a number, got {shown(value)}")
    try:
        result = float(value)
    except OverflowError as error:
        raise ValueError(f"{field}: is too large for a number") from error
    if not math.isfinite(result) or abs(result) > LARGEST:
        raise ValueError(f"{field}: must be finite and of a sane size, got {result:g}")
    if abs(result) < smallest:
        result = 0.0
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
    """Return a two-sided confidence level inside 0..1, or raise ValueError."""
    # Nearer to an end nothing is left of a quantile.
    return number("confidence", value, at_least=1e-3, at_most=1 - 1e-12)


def shown(value: Any) -> str:
    """Return what kind of JSON value it is, in words."""
    return "null" if value is None else TYPE_NAMES.get(type(value), type(value).__name__)


def listed(field: str, values: Any) -> Any:
    """Return values when they are a list, a tuple or an array, or raise ValueError."""
    # An array is recognised without loading NumPy.
    if isinstance(values, list | tuple) or hasattr(values, "__array__"):
        return values
    raise ValueError(f"{field}: must be a list, got {shown(values)}")
