"""Fields that several resources share."""

from __future__ import annotations

import math
import re
from typing import Any

from rest_framework import serializers

_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")


class JSONValue(serializers.JSONField):
    """JSON that PostgreSQL can keep: no NUL, no half of a surrogate pair, no NaN, no infinity."""

    def to_internal_value(self, data: Any) -> Any:
        """ValidationError naming what can't be kept."""
        value = super().to_internal_value(data)
        problem = _unstorable(value)
        if problem:
            raise serializers.ValidationError(problem)
        return value


def _unstorable(value: Any) -> str | None:
    if isinstance(value, str):
        found = _UNSTORABLE.search(value)
        return f"contains the character U+{ord(found[0]):04X}" if found else None
    if isinstance(value, float) and not math.isfinite(value):
        return "contains a number that is not finite"
    if isinstance(value, dict):
        value = [*value.keys(), *value.values()]
    if isinstance(value, list):
        return next((problem for item in value if (problem := _unstorable(item))), None)
    return None
