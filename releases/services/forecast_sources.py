"""What a source of forecasts gives and is asked; `settings.FORECAST_SOURCES` names the classes.

A source predicts before a promotion executes, and later finds the same number in the stage's live
traffic. It may not know: no forecast is better than one without ground.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from django.conf import settings
from django.utils.module_loading import import_string

from releases.models import Forecast, Promotion, Release
from releases.states import ForecastKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicted:
    """One number of one kind with its 95% interval, all shares of 1."""

    kind: ForecastKind
    predicted: float
    lo: float
    hi: float
    n: int
    """Conversations, units or votes behind it; at least 1."""
    basis: str
    name: str = ""
    inputs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The same number in live traffic, with its own 95% interval and window."""

    observed: float
    lo: float
    hi: float
    n: int
    since: datetime
    until: datetime
    basis: str


class ForecastSource(Protocol):
    """Knows some kinds of forecasts."""

    kinds: frozenset[ForecastKind]

    def predict(self, promotion: Promotion, now: datetime) -> Sequence[Predicted]:
        """What is expected in the promotion's stage; empty without ground."""

    def observe(
        self, forecasts: Iterable[Forecast], release: Release, now: datetime
    ) -> Mapping[Any, Seen]:
        """By forecast id, what enough was seen of; `release` is what the promotion became."""


def sources() -> tuple[ForecastSource, ...]:
    """The sources of the settings, in their order."""
    return tuple(import_string(path)() for path in settings.FORECAST_SOURCES)
