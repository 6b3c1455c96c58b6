"""Sets what a checkpoint's tokens cost from a moment on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.dateparse import parse_datetime

from infra import audit, clock
from infra.actors import Actor
from infra.errors import InvalidInput, InvalidMove
from infra.roles import Role, Scope
from releases.models import Checkpoint, Price
from releases.selectors.checkpoints import price_at

MAX_MICROS = 10**15


def set_price(
    *,
    actor: Actor,
    checkpoint: Checkpoint,
    currency: str,
    input_micros_per_million: int,
    output_micros_per_million: int,
    cached_input_micros_per_million: int | None = None,
    effective_at: datetime | None = None,
) -> Price:
    """The checkpoint's price from `effective_at` (default: now) on, in micro-units per million.

    Cached input costs as much as input unless given. The price already in force is given back
    when it is the same; InvalidMove when that very moment has another price.
    """
    roles = (Role.RELEASE_MANAGER, Role.ENGINEER, Role.PARTNER_MANAGER)
    actor.must("set prices", *roles, scope=Scope.REGISTER)
    cached = cached_input_micros_per_million
    values = {
        "currency": currency,
        "input_micros_per_million": input_micros_per_million,
        "cached_input_micros_per_million": input_micros_per_million if cached is None else cached,
        "output_micros_per_million": output_micros_per_million,
    }
    _check(values)
    moment = effective_at or clock.now()
    in_force = price_at(checkpoint.pk, moment)
    if in_force is not None and _says(in_force, values):
        return in_force
    return _write(actor, checkpoint, moment, values)


def price_fields(document: Mapping[str, Any]) -> dict[str, Any]:
    """A price of a document as `set_price` takes it; InvalidInput for a malformed moment."""
    fields = dict(document)
    if "effective_at" in fields:
        fields["effective_at"] = _moment(fields["effective_at"])
    return fields


def _moment(text: str) -> datetime:
    try:
        moment = parse_datetime(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise InvalidInput(
            "bad_moment", f"{text!r} is not a moment with its offset, like 2026-03-02T09:00:00Z."
        )
    return moment


def _check(values: Mapping[str, Any]) -> None:
    currency = values["currency"]
    if len(currency) != 3 or not (currency.isascii() and currency.isalpha() and currency.isupper()):
        raise InvalidInput(
            "bad_currency", f"{currency!r} is not a currency: three capital letters, such as EUR."
        )
    for name, value in values.items():
        if name != "currency" and not 0 <= value <= MAX_MICROS:
            raise InvalidInput("bad_price", f"{name} is {value}: it is 0 to {MAX_MICROS:,}.")


def _says(price: Price, values: Mapping[str, Any]) -> bool:
    return all(getattr(price, name) == value for name, value in values.items())


def _write(
    actor: Actor, checkpoint: Checkpoint, moment: datetime, values: Mapping[str, Any]
) -> Price:
    try:
        with transaction.atomic():
            price = Price.objects.create(checkpoint=checkpoint, effective_at=moment, **values)
            after = {**values, "effective_at": moment}
            audit.record(actor=actor, action="price.set", subject=price, after=after)
    except IntegrityError as error:
        same = Price.objects.filter(checkpoint=checkpoint, effective_at=moment).first()
        if same is not None and _says(same, values):
            return same
        raise InvalidMove(
            "price_exists",
            f"{checkpoint.name} has another price from {moment:%Y-%m-%d %H:%M %Z} already; prices "
            "are never rewritten: set one from a later moment.",
        ) from error
    return price
