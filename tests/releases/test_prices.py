"""Prices are dated and never rewritten."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import DatabaseError, connection

from infra import clock
from infra.actors import Actor
from infra.errors import InvalidInput, InvalidMove, NotPermitted
from infra.models import AuditEntry
from releases.models import Checkpoint, Price
from releases.selectors.checkpoints import price_at
from releases.services.prices import price_fields, set_price
from tests import builders

NOW = builders.NOW
EUR = {
    "currency": "EUR",
    "input_micros_per_million": 100,
    "cached_input_micros_per_million": 10,
    "output_micros_per_million": 300,
}


@pytest.fixture
def engineer(db: None) -> Actor:
    return builders.cast().engineer


@pytest.fixture
def checkpoint(engineer: Actor) -> Checkpoint:
    return builders.checkpoint()


def test_the_price_of_a_moment_is_the_newest_before_it(
    engineer: Actor, checkpoint: Checkpoint
) -> None:
    day = timedelta(days=1)
    first = set_price(actor=engineer, checkpoint=checkpoint, effective_at=NOW, **EUR)
    dearer = {**EUR, "output_micros_per_million": 400}
    second = set_price(actor=engineer, checkpoint=checkpoint, effective_at=NOW + day, **dearer)
    asked = [NOW - day, NOW, NOW + day / 2, NOW + day, NOW + 2 * day]
    found = [price_at(checkpoint.pk, moment) for moment in asked]
    assert found == [None, first, first, second, second]
    assert AuditEntry.objects.filter(action="price.set").count() == 2


def test_the_same_price_again_writes_nothing(engineer: Actor, checkpoint: Checkpoint) -> None:
    with clock.frozen_at(NOW):
        first = set_price(actor=engineer, checkpoint=checkpoint, **EUR)
    with clock.frozen_at(NOW + timedelta(hours=1)):
        assert set_price(actor=engineer, checkpoint=checkpoint, **EUR) == first
    assert Price.objects.count() == 1


def test_a_moments_price_is_not_rewritten(engineer: Actor, checkpoint: Checkpoint) -> None:
    set_price(actor=engineer, checkpoint=checkpoint, effective_at=NOW, **EUR)
    with pytest.raises(InvalidMove, match="never rewritten"):
        set_price(
            actor=engineer,
            checkpoint=checkpoint,
            effective_at=NOW,
            **{**EUR, "output_micros_per_million": 1},
        )


def test_cached_input_costs_as_input_unless_given(engineer: Actor, checkpoint: Checkpoint) -> None:
    values = {key: value for key, value in EUR.items() if not key.startswith("cached")}
    row = set_price(actor=engineer, checkpoint=checkpoint, **values)
    assert row.cached_input_micros_per_million == 100


@pytest.mark.parametrize(
    "wrong",
    [
        {"currency": "eur"},
        {"currency": "EURO"},
        {"currency": "ÄÖÜ"},
        {"input_micros_per_million": -1},
        {"output_micros_per_million": 10**15 + 1},
    ],
)
def test_a_price_that_makes_no_sense_is_refused(
    engineer: Actor, checkpoint: Checkpoint, wrong: dict[str, object]
) -> None:
    with pytest.raises(InvalidInput):
        set_price(actor=engineer, checkpoint=checkpoint, **{**EUR, **wrong})


@pytest.mark.parametrize("text", ["soon", "2026-03-02T09:00:00", "2026-13-02T09:00:00Z", ""])
def test_a_moment_has_its_offset(text: str) -> None:
    with pytest.raises(InvalidInput, match="with its offset"):
        price_fields({**EUR, "effective_at": text})


def test_the_auditor_sets_none(checkpoint: Checkpoint) -> None:
    with pytest.raises(NotPermitted):
        set_price(actor=builders.cast().auditor, checkpoint=checkpoint, **EUR)


def test_the_database_refuses_to_change_a_price(engineer: Actor, checkpoint: Checkpoint) -> None:
    set_price(actor=engineer, checkpoint=checkpoint, **EUR)
    with pytest.raises(DatabaseError, match="permission denied"), connection.cursor() as cursor:
        cursor.execute("UPDATE price SET output_micros_per_million = 0")
