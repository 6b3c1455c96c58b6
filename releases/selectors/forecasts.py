"""Reads over the forecast ledger."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from releases.models import Forecast, ForecastObservation, Promotion
from releases.states import FORECAST_BY_GATE, ForecastKind

MOST_POINTS = 2_000


def forecasts(kind: str = "") -> QuerySet[Forecast]:
    """Newest first with what was observed, of that kind when given."""
    found = Forecast.objects.select_related(
        "promotion__checkpoint", "promotion__stage", "observation"
    )
    return found.filter(kind=kind) if kind else found


def forecasts_of(promotion: Promotion) -> QuerySet[Forecast]:
    """What that promotion predicted, by kind and name."""
    return forecasts().filter(promotion=promotion).order_by("kind", "name")


def unobserved(since: datetime) -> QuerySet[Forecast]:
    """Those that wait for their observation and were made since then, oldest first."""
    waiting = forecasts().filter(observation=None, predicted_at__gte=since)
    return waiting.order_by("predicted_at", "pk")


def ledger_rows() -> list[dict[str, Any]]:
    """What `forecast_ledger` takes: every prediction that has its observation."""
    rows = ForecastObservation.objects.order_by("forecast__predicted_at", "pk").values_list(
        "forecast__kind", "forecast__promotion_id", "agrees", "inside", "factor"
    )
    names = ("kind", "promotion", "agrees", "inside", "factor")
    return [
        dict(zip(names, (kind, str(promotion), *rest), strict=True))
        for kind, promotion, *rest in rows
    ]


def ledger() -> list[dict[str, Any]]:
    """One score a kind that was observed at least once; see `statistics.forecasts`."""
    from releases.statistics.forecasts import forecast_ledger  # SciPy: only where it is needed

    rows = ledger_rows()
    return forecast_ledger(rows).kinds if rows else []


def points(kind: str = "") -> list[dict[str, Any]]:
    """The calibration plot's data, newest first: predicted and observed with their intervals."""
    rows = forecasts(kind).filter(observation__isnull=False)[:MOST_POINTS]
    return [
        {
            "kind": row.kind,
            "name": row.name,
            "promotion": str(row.promotion_id),
            "checkpoint": row.promotion.checkpoint.name,
            "stage": row.promotion.stage.name,
            "predicted": [row.predicted, row.lo, row.hi],
            "observed": [row.observation.observed, row.observation.lo, row.observation.hi],
            "agrees": row.observation.agrees,
        }
        for row in rows
    ]


def doubts() -> Mapping[ForecastKind, str]:
    """The kinds whose forecasts keep missing, each with its sentence."""
    return {ForecastKind(row["kind"]): row["sentence"] for row in ledger() if row["keeps_missing"]}


def doubted_gates() -> Mapping[str, str]:
    """Kinds of gates whose evidence keeps missing, with the sentence; advice, never an outcome."""
    found = doubts()
    return {gate: found[kind] for gate, kind in FORECAST_BY_GATE.items() if kind in found}
