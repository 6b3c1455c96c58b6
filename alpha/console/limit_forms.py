"""Limits as people fill them in: empty is no limit, money in whole units of the currency."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django import forms

from alpha.quotas import MOST, NAMES, Quotas
from infra.console.fields import RowWhyForm, WhyForm

MICROS = 1_000_000


def _number(name: str, label: str = "", help_text: str = "") -> forms.IntegerField:
    return forms.IntegerField(
        label=label or None,
        min_value=1,
        max_value=MOST[name],
        required=False,
        help_text=help_text,
    )


def _money(label: str) -> forms.DecimalField:
    return forms.DecimalField(
        label=label,
        min_value=Decimal("0.000001"),
        max_digits=15,
        decimal_places=6,
        required=False,
        help_text="In the currency of the prices.",
    )


class LimitFields(forms.Form):
    """One field for each limit."""

    requests_per_minute = _number("requests_per_minute")
    tokens_per_minute = _number("tokens_per_minute")
    concurrent_requests = _number("concurrent_requests")
    tokens_per_day = _number("tokens_per_day")
    budget_micros_per_day = _money("Budget per day")
    tokens_total = _number("tokens_total", "Tokens in all")
    budget_micros = _money("Budget in all")


class PartnerLimits(LimitFields, WhyForm):
    """All limits of a partner anew."""

    field_order = (*NAMES, "reason")


class KeyLimits(LimitFields, RowWhyForm):
    """All limits of one key of the page anew."""

    field_order = (*NAMES, "reason")


def quotas_of(data: Mapping[str, Any]) -> Quotas:
    """The limits in a checked form."""
    found = {name: data[name] for name in NAMES}
    for name in ("budget_micros_per_day", "budget_micros"):
        if found[name] is not None:
            found[name] = int(found[name] * MICROS)
    return Quotas(**found)


def initial_of(quotas: Quotas) -> dict[str, Any]:
    """What the fields hold for limits that there are."""
    return {
        name: Decimal(value) / MICROS if "micros" in name else value
        for name, value in quotas.set_ones()
    }
