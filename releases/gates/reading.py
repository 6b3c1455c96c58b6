"""Strict reading of evidence: what is missing, malformed or not a number never counts. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

_INFINITE = {"inf": math.inf, "-inf": -math.inf}


class BadEvidence(ValueError):
    """The evidence does not have the shape its kind promises; the gate answers error."""


def number(values: Mapping[str, Any], key: str, *, infinite: bool = False) -> float:
    """A finite number (or an infinite one, also as `"inf"`, when allowed); never NaN."""
    value = values.get(key)
    if infinite and isinstance(value, str) and value in _INFINITE:
        return _INFINITE[value]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise BadEvidence(f"{key} is {value!r}, not a number")
    if math.isnan(value) or (math.isinf(value) and not infinite):
        raise BadEvidence(f"{key} is {value}, not a finite number")
    return float(value)


def number_or_none(values: Mapping[str, Any], key: str, *, infinite: bool = False) -> float | None:
    """None for a null or absent value; otherwise as `number`."""
    return None if values.get(key) is None else number(values, key, infinite=infinite)


def count(values: Mapping[str, Any], key: str) -> int:
    """A whole number of at least 0."""
    value = values.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise BadEvidence(f"{key} is {value!r}, not a count")
    return value


def text(values: Mapping[str, Any], key: str) -> str:
    """A text that is not empty."""
    value = values.get(key)
    if not isinstance(value, str) or not value:
        raise BadEvidence(f"{key} is {value!r}, not a text")
    return value


def flag(values: Mapping[str, Any], key: str) -> bool:
    value = values.get(key)
    if not isinstance(value, bool):
        raise BadEvidence(f"{key} is {value!r}, not true or false")
    return value


def table(values: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """An object."""
    value = values.get(key)
    if not isinstance(value, Mapping):
        raise BadEvidence(f"{key} is {value!r}, not an object")
    return value


def rows(values: Mapping[str, Any], key: str) -> Sequence[Mapping[str, Any]]:
    """A list of objects."""
    value = values.get(key)
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise BadEvidence(f"{key} is {value!r}, not a list")
    if not all(isinstance(item, Mapping) for item in value):
        raise BadEvidence(f"{key} holds something that is not an object")
    return value


def moment(values: Mapping[str, Any], key: str) -> datetime:
    """An ISO 8601 moment with its offset."""
    try:
        found = datetime.fromisoformat(text(values, key))
    except ValueError as error:
        raise BadEvidence(f"{key}: {error}") from error
    if found.tzinfo is None:
        raise BadEvidence(f"{key} is a moment without its time zone")
    return found


def reject_nan(value: Any, path: str = "evidence") -> None:
    """BadEvidence when a NaN hides anywhere in the evidence."""
    if isinstance(value, float) and math.isnan(value):
        raise BadEvidence(f"{path} is NaN")
    if isinstance(value, Mapping):
        for key, item in value.items():
            reject_nan(item, f"{path}.{key}")
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for index, item in enumerate(value):
            reject_nan(item, f"{path}[{index}]")
