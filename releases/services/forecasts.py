"""The forecast ledger: predictions kept with the decision, observations put beside them once."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.db import DatabaseError, transaction

from infra import audit, clock
from infra.actors import system
from infra.errors import DomainError
from releases.models import Forecast, ForecastObservation, Promotion, Release
from releases.selectors.forecasts import unobserved
from releases.services.beats import alone
from releases.services.forecast_sources import ForecastSource, Predicted, Seen, sources

log = logging.getLogger(__name__)
_LOCK = 0x511B0A76
_FAILURES = (
    ArithmeticError,
    AttributeError,
    DatabaseError,
    DomainError,
    LookupError,
    ObjectDoesNotExist,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
# What is not seen by then is not waited for: the stage has moved on.
WAITS = timedelta(days=60)


def predictions_of(promotion: Promotion, now: datetime) -> list[Predicted]:
    """What every source predicts; one that fails predicts nothing and stops no promotion.

    Reads the database, so never inside the transaction that executes.
    """
    found: list[Predicted] = []
    for source in sources():
        try:
            with transaction.atomic():
                found += source.predict(promotion, now)
        except _FAILURES as error:
            log.warning("%s predicts nothing for %s: %r", type(source).__name__, promotion, error)
    return found


def keep_forecasts(
    promotion: Promotion, predictions: Sequence[Predicted], now: datetime
) -> list[Forecast]:
    """Write them in the transaction of the decision."""
    return Forecast.objects.bulk_create(
        Forecast(
            promotion=promotion,
            kind=one.kind.value,
            name=one.name,
            predicted=one.predicted,
            lo=one.lo,
            hi=one.hi,
            n=one.n,
            basis=one.basis,
            inputs=dict(one.inputs),
            predicted_at=now,
        )
        for one in predictions
    )


def observe_due(now: datetime | None = None) -> int:
    """Put observations beside every forecast of which enough was seen; how many were new.

    Safe to run twice and by two at once: a forecast has one observation for ever.
    """
    moment = now or clock.now()
    with alone(_LOCK) as is_alone:
        if not is_alone:
            return 0
        waiting: dict[Any, list[Forecast]] = {}
        for row in unobserved(moment - WAITS):
            waiting.setdefault(row.promotion_id, []).append(row)
        return sum(_observe(rows, moment) for rows in waiting.values())


def _observe(rows: Sequence[Forecast], now: datetime) -> int:
    """The forecasts of one promotion."""
    release = Release.objects.filter(promotion=rows[0].promotion_id).order_by("started_at").first()
    if release is None:
        return 0
    n_new = 0
    for source in sources():
        mine = [row for row in rows if row.kind in source.kinds]
        n_new += _keep_seen(mine, _seen(source, mine, release, now), now) if mine else 0
    return n_new


def _seen(
    source: ForecastSource, rows: Sequence[Forecast], release: Release, now: datetime
) -> Mapping[Any, Seen]:
    try:
        with transaction.atomic():
            return source.observe(rows, release, now)
    except _FAILURES as error:
        log.warning("%s observes nothing of %s: %r", type(source).__name__, release, error)
        return {}


def _keep_seen(rows: Sequence[Forecast], seen: Mapping[Any, Seen], now: datetime) -> int:
    from releases.statistics.forecasts import match_forecast  # SciPy: only where it is needed

    n_new = 0
    for row in rows:
        found = seen.get(row.pk)
        if found is None:
            continue
        match = match_forecast(
            [row.predicted, row.lo, row.hi], [found.observed, found.lo, found.hi], row.n, found.n
        )
        n_new += _written(row, found, match, now)
    return n_new


def _written(row: Forecast, found: Seen, match: Any, now: datetime) -> int:
    with transaction.atomic():
        _, is_new = ForecastObservation.objects.get_or_create(
            forecast=row,
            defaults={
                "observed": found.observed,
                "lo": found.lo,
                "hi": found.hi,
                "n": found.n,
                "since": found.since,
                "until": found.until,
                "basis": found.basis,
                "agrees": match.agrees,
                "inside": match.inside,
                "factor": match.factor,
                "observed_at": now,
            },
        )
        if is_new:
            after = {"forecast": str(row.pk), "kind": row.kind, "name": row.name}
            after |= {"predicted": row.predicted, "observed": found.observed, "n": found.n}
            audit.record(
                actor=system("forecasts"),
                action="forecast.observed",
                subject=row.promotion,
                after={**after, "agrees": match.agrees},
            )
    return int(is_new)
