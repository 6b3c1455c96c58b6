"""Limits as options of commands, the same for keys, partners and grants."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandParser

from alpha.quotas import NAMES, Quotas

OPTIONS = {
    "requests_per_minute": ("--requests-per-minute", "in any sixty seconds"),
    "tokens_per_minute": ("--tokens-per-minute", "in a minute of the clock"),
    "concurrent_requests": ("--concurrent", "requests running at once"),
    "tokens_per_day": ("--tokens-per-day", "in a day of UTC"),
    "budget_micros_per_day": ("--budget-micros-per-day", "money of a day, in micro-units"),
    "tokens_total": ("--tokens-total", "in all"),
    "budget_micros": ("--budget-micros", "money in all, in micro-units"),
}


def add_limits(parser: CommandParser) -> None:
    """One option for each limit; what is not given is not limited."""
    for name, (option, meaning) in OPTIONS.items():
        parser.add_argument(option, dest=name, type=int, metavar="N", help=meaning)


def limits_in(options: Mapping[str, Any]) -> Quotas:
    """The limits that were given."""
    return Quotas(**{name: options[name] for name in NAMES})


def told(quotas: Quotas) -> str:
    """The limits for a person, on one line."""
    return ", ".join(f"{value} {name.replace('_', ' ')}" for name, value in quotas.set_ones())
