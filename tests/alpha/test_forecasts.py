"""What a promotion predicts from live traffic, and what the next stage then shows."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.utils import IntegrityError, InternalError, ProgrammingError

from alpha.models import Feedback
from alpha.services.batches import close_batches
from alpha.services.feedback import bind_waiting
from infra import clock
from infra.models import AuditEntry
from releases.models import Forecast, ForecastObservation, Promotion, Release
from releases.selectors import forecasts as reads
from releases.services import forecasts
from releases.statistics.failure_rates import grouped_failure_rate
from tests import builders
from tests.alpha.traffic import FAILED, Traffic, caller, later, ship
from tests.releases import story

PARTNERS = ("acme", "bolt", "coil", "dune", "echo")
EXECUTED = later(hours=2)


class World:
    """A candidate seen in closed-alpha by five partners, and a stage that comes after."""

    def __init__(self, n: int = 40, n_bad: int = 2, *, partners: tuple[str, ...] = PARTNERS):
        self.cast = builders.cast()
        self.traffic = Traffic(*partners)
        self.candidate = self.traffic.begin()
        self.next = story.stage(story.MANUAL, name="production")
        for name in partners:
            good = self.traffic.calls(self.candidate, n - n_bad, partner=name, prefix=f"{name}-g")
            bad = self.traffic.calls(
                self.candidate, n_bad, partner=name, prefix=f"{name}-b", **FAILED
            )
            self.down(ship(good + bad)[0], name)
        close_batches(later(hours=1))

    def down(self, request_id: Any, name: str) -> None:
        Feedback.objects.create(
            partner=self.traffic.callers[name].partner,
            request_id=request_id,
            thumbs_up=False,
            received_at=later(minutes=30),
        )
        bind_waiting()

    def promoted(self) -> Promotion:
        with clock.frozen_at(EXECUTED):
            found = story.promoted(self.cast, self.traffic.new, self.next)
        assert found.state == "promoted"
        return found

    def served(self, promotion: Promotion, n: int, n_bad: int, prefix: str = "p") -> Release:
        """`n` units a partner in the next stage, five minutes after the promotion."""
        release = promotion.releases.get()
        at = EXECUTED + timedelta(minutes=5)
        for name in PARTNERS:
            if name not in self.traffic.callers:
                self.traffic.callers[name] = caller(name, self.next)
            calls = self.traffic.calls(
                release, n - n_bad, partner=name, prefix=f"{prefix}{name}g", at=at
            )
            bad = self.traffic.calls(
                release, n_bad, partner=name, prefix=f"{prefix}{name}b", at=at, **FAILED
            )
            ship(calls + bad)
        close_batches(EXECUTED + timedelta(hours=1))
        return release


def observed_at(moment: datetime) -> int:
    with clock.frozen_at(moment):
        return forecasts.observe_due()


def numbers(rows: Iterable[Forecast]) -> dict[str, tuple[float, int]]:
    return {row.kind: (row.predicted, row.n) for row in rows}


@pytest.mark.django_db
def test_a_promotion_keeps_what_it_predicts_in_its_own_transaction() -> None:
    promotion = World().promoted()
    rows = list(reads.forecasts_of(promotion))
    assert numbers(rows) == {"error_rate": (10 / 200, 200), "feedback_rate": (5 / 200, 200)}
    expected = grouped_failure_rate([2] * 5, [40] * 5)
    assert (rows[0].lo, rows[0].hi) == pytest.approx((expected.lo, expected.hi))
    assert rows[0].basis == (
        "units with a failed call in the stages before, 200 units of 5 partners"
    )
    entry = AuditEntry.objects.get(action="promotion.promoted")
    assert entry.after["forecasts"] == 2
    assert {row.predicted_at for row in rows} == {EXECUTED}


@pytest.mark.django_db
def test_without_enough_traffic_nothing_is_predicted() -> None:
    world = World(n=9, n_bad=1)
    assert not reads.forecasts_of(world.promoted()).exists()


@pytest.mark.django_db
def test_what_the_stage_showed_is_put_beside_it_once() -> None:
    world = World()
    promotion = world.promoted()
    assert observed_at(EXECUTED + timedelta(hours=1)) == 0, "nothing was served yet"
    world.served(promotion, 40, 2)
    assert observed_at(EXECUTED + timedelta(hours=3)) == 0, "200 units are too few as yet"
    world.served(promotion, 40, 4, prefix="q")
    assert observed_at(EXECUTED + timedelta(hours=1, minutes=30)) == 0, "it still settles"
    assert observed_at(EXECUTED + timedelta(hours=3)) == 2
    assert observed_at(EXECUTED + timedelta(hours=4)) == 0, "once for ever"
    seen = ForecastObservation.objects.get(forecast__kind="error_rate")
    assert (seen.observed, seen.n) == (30 / 400, 400)
    assert seen.agrees
    assert seen.factor == pytest.approx(1.5)
    assert EXECUTED < seen.since <= seen.until <= EXECUTED + timedelta(hours=2)
    assert AuditEntry.objects.filter(action="forecast.observed").count() == 2
    [errors, downs] = reads.ledger()
    assert (errors["kind"], errors["n_promotions"], errors["coverage"]) == ("error_rate", 1, 1.0)
    assert downs["median_factor"] > 5, "nobody sent a thumbs-down there"
    assert reads.doubted_gates() == {}, "one promotion condemns nothing"


@pytest.mark.django_db
def test_a_stage_that_breaks_is_a_forecast_that_missed() -> None:
    world = World()
    promotion = world.promoted()
    world.served(promotion, 80, 40)
    observed_at(EXECUTED + timedelta(hours=3))
    seen = ForecastObservation.objects.get(forecast__kind="error_rate")
    assert (seen.agrees, seen.inside, seen.factor) == (False, False, pytest.approx(10))


@pytest.mark.django_db
def test_patience_settles_for_less() -> None:
    world = World()
    promotion = world.promoted()
    world.served(promotion, 20, 1)
    assert observed_at(EXECUTED + timedelta(days=13)) == 0
    assert observed_at(EXECUTED + timedelta(days=14, hours=2)) == 2


@pytest.mark.django_db
def test_forecasts_and_observations_are_written_once() -> None:
    world = World()
    promotion = world.promoted()
    world.served(promotion, 80, 4)
    observed_at(EXECUTED + timedelta(hours=3))
    for model, field in ((Forecast, "predicted"), (ForecastObservation, "observed")):
        for change in (lambda m=model, f=field: m.objects.update(**{f: 0.5}),
                       lambda m=model: m.objects.all()._raw_delete("default")):  # fmt: skip
            with pytest.raises((InternalError, ProgrammingError, IntegrityError)):
                _alone(change)


def _alone(change: Any) -> None:
    from django.db import transaction

    with transaction.atomic():
        change()


class Breaks:
    """A source that fails whatever it is asked."""

    kinds = frozenset({"error_rate"})

    def predict(self, promotion: Promotion, now: datetime) -> Any:
        raise LookupError("nothing is known")

    def observe(self, forecasts: Any, release: Release, now: datetime) -> Any:
        raise ZeroDivisionError("no units")


@pytest.mark.django_db
def test_a_source_that_fails_stops_no_promotion(settings: Any) -> None:
    ours = f"{__name__}.Breaks"
    settings.FORECAST_SOURCES = [ours, *settings.FORECAST_SOURCES]
    world = World()
    promotion = world.promoted()
    assert reads.forecasts_of(promotion).count() == 2
    world.served(promotion, 80, 4)
    assert observed_at(EXECUTED + timedelta(hours=3)) == 2


def test_two_looks_at_once_make_one_observation(committed_db: str, valkey: str) -> None:
    world = World()
    promotion = world.promoted()
    world.served(promotion, 80, 4)
    found: list[int] = []

    def look() -> None:
        try:
            found.append(forecasts.observe_due(EXECUTED + timedelta(hours=3)))
        finally:
            connection.close()

    threads = [threading.Thread(target=look) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(found) == 2
    assert ForecastObservation.objects.count() == 2
