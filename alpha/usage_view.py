"""A partner's usage as its page and the console's show it: the same charts, totals and rows."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from alpha.models import Partner
from alpha.usage_charts import Chart, names_of, spans, stacked
from alpha.usage_days import DAYS, UsageDay, by_codename, first_day, total_of, usage_days

MICROS = 1_000_000


def usage_view(partner: Partner, key_id: UUID | None = None) -> dict[str, Any]:
    """`charts`, `series` (names in the order of their colours), `total`, and the days' `usage`."""
    rows = usage_days(partner.pk, key_id=key_id)
    total = total_of(rows)
    return {
        "charts": charts_of(rows, partner, total.currency),
        "series": names_of(rows),
        "total": total,
        "by_codename": by_codename(rows),
        "usage": rows[::-1],
        "days": DAYS,
    }


def charts_of(rows: tuple[UsageDay, ...], partner: Partner, currency: str) -> list[Chart]:
    """Requests, failures, tokens, money and latency; days' limits of the partner are lines."""
    span = {"first": first_day(), "days": DAYS}
    tokens, money = partner.tokens_per_day, partner.budget_micros_per_day
    return [
        stacked(rows, title="Requests", value=lambda row: row.n_requests, worded=_count, **span),
        stacked(rows, title="Failed", value=lambda row: row.n_failed, worded=_count, **span),
        stacked(
            rows,
            title="Tokens",
            value=lambda row: row.tokens,
            worded=_count,
            level=tokens,
            level_label=f"limit {_count(tokens)} a day" if tokens else "",
            **span,
        ),
        stacked(
            rows,
            title="Spend",
            value=lambda row: row.cost_micros / MICROS,
            worded=lambda amount: _money(amount, currency),
            level=money / MICROS if money else None,
            level_label=f"budget {_money(money / MICROS, currency)} a day" if money else "",
            **span,
        ),
        spans(rows, title="Latency, half to 95 %", worded=_latency, **span),
    ]


def _count(value: float) -> str:
    for size, mark in ((1e9, "bn"), (1e6, "M"), (1e4, "k")):
        if value >= size:
            return f"{value / (1e3 if mark == 'k' else size):.3g}{mark}"
    return f"{value:,.4g}"


def _money(value: float, currency: str) -> str:
    # An axis of a demo's cents never says 2e-05.
    amount = f"{value:.6f}".rstrip("0").rstrip(".") if 0 < value < 0.01 else f"{value:,.4g}"
    return f"{amount} {currency}".strip()


def _latency(value: float) -> str:
    return f"{value / 1000:.3g} s" if value >= 1000 else f"{value:.0f} ms"
