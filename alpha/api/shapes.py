"""Fields that several resources of `alpha` share, within what PostgreSQL can keep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from alpha.quotas import MAX_BIG_INTEGER, MAX_INTEGER, MOST, NAMES, Quotas

__all__ = ["MAX_BIG_INTEGER", "MAX_INTEGER", "LimitsIn", "quotas_in"]


def _limit(name: str) -> serializers.IntegerField:
    return serializers.IntegerField(
        min_value=1, max_value=MOST[name], required=False, allow_null=True
    )


class LimitsIn(serializers.Serializer):
    """Limits; null or left out is no limit. Money in micro-units of the price's currency."""

    requests_per_minute = _limit("requests_per_minute")
    tokens_per_minute = _limit("tokens_per_minute")
    concurrent_requests = _limit("concurrent_requests")
    tokens_per_day = _limit("tokens_per_day")
    budget_micros_per_day = _limit("budget_micros_per_day")
    tokens_total = _limit("tokens_total")
    budget_micros = _limit("budget_micros")


def quotas_in(data: Mapping[str, Any]) -> Quotas:
    """The limits in a checked body."""
    return Quotas(**{name: data.get(name) for name in NAMES})
