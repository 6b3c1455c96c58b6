"""Where the bars of a chart of usage stand. Pure: rows in, shares of the drawing out.

Bars are placed in percent of the width and pixels of the height, so that one drawing is sharp at
any width and its words keep their size.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from alpha.usage_days import UsageDay

HEIGHT = 120
MOST_NAMES = 4
OTHERS = "others"
# Of the width that one day has, how much its bar takes.
BAR_SHARE = 0.72


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A piece of one day's bar; x and width in percent, y and height in pixels from above."""

    x: float
    width: float
    y: float
    height: float
    series: int
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A level across the chart, such as a budget of a day."""

    y: float
    label: str

    @property
    def word_y(self) -> float:
        """Where its words stand: above it, or below where there is no room."""
        return self.y - 5 if self.y > 30 else self.y + 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """One drawing; `summary` says in a sentence what it shows."""

    title: str
    bars: tuple[Bar, ...]
    lines: tuple[Line, ...]
    top: str
    first: date
    last: date
    summary: str
    is_empty: bool


def names_of(rows: Sequence[UsageDay]) -> tuple[str, ...]:
    """The codenames that get a colour of their own, most called first; the rest is `others`."""
    called: dict[str, int] = {}
    for row in rows:
        called[row.codename] = called.get(row.codename, 0) + row.n_requests
    ranked = sorted(called, key=lambda name: (-called[name], name))
    return (*ranked[:MOST_NAMES], OTHERS) if len(ranked) > MOST_NAMES else tuple(ranked)


def stacked(
    rows: Sequence[UsageDay],
    *,
    title: str,
    first: date,
    days: int,
    value: Callable[[UsageDay], float],
    worded: Callable[[float], str],
    level: float | None = None,
    level_label: str = "",
) -> Chart:
    """A bar a day, stacked by codename; `level` is drawn as a line, and fits into the chart."""
    names, sums = names_of(rows), _sums(rows, value)
    heights = [sum(sums.get((day, name), 0) for name in names) for day in _span(first, days)]
    top = nice(max([*heights, level or 0]))
    bars: list[Bar] = []
    for at, day in enumerate(_span(first, days)):
        floor = 0.0
        for series, name in enumerate(names):
            amount = sums.get((day, name), 0)
            if amount:
                told = f"{day:%d %b}: {worded(amount)} {name}"
                bars.append(_bar(at, days, floor, floor + amount, top, series, told))
                floor += amount
    return Chart(
        title=title,
        bars=tuple(bars),
        lines=(Line(y=_y(level, top), label=level_label),) if level else (),
        top=worded(top),
        first=first,
        last=first + timedelta(days=days - 1),
        summary=_summary(title, heights, first, worded),
        is_empty=not any(heights),
    )


def spans(
    rows: Sequence[UsageDay],
    *,
    title: str,
    first: date,
    days: int,
    worded: Callable[[float], str],
) -> Chart:
    """From the median to the 95th percentile of each day's latency, of the codename called most."""
    by_day: dict[date, UsageDay] = {}
    for row in rows:
        best = by_day.get(row.day)
        if row.p95_ms is not None and (best is None or row.n_requests > best.n_requests):
            by_day[row.day] = row
    top = nice(max((row.p95_ms or 0 for row in by_day.values()), default=0))
    bars = [
        _bar(
            (row.day - first).days, days, row.p50_ms or 0, row.p95_ms or 0, top, 0,
            f"{row.day:%d %b}: half within {worded(row.p50_ms or 0)}, "
            f"95 % within {worded(row.p95_ms or 0)} {row.codename}",
        )
        for row in by_day.values()
    ]  # fmt: skip
    heights = [by_day[day].p95_ms or 0 if day in by_day else 0 for day in _span(first, days)]
    return Chart(
        title=title,
        bars=tuple(bars),
        lines=(),
        top=worded(top),
        first=first,
        last=first + timedelta(days=days - 1),
        summary=_summary(title, heights, first, worded),
        is_empty=not bars,
    )


def nice(value: float) -> float:
    """The least of 1, 2, 2.5 or 5 times a power of ten that is not below; 1 for nothing."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= value * (1 - 1e-9))


def _sums(
    rows: Sequence[UsageDay], value: Callable[[UsageDay], float]
) -> dict[tuple[date, str], float]:
    names, sums = names_of(rows), {}
    for row in rows:
        name = row.codename if row.codename in names else OTHERS
        sums[row.day, name] = sums.get((row.day, name), 0) + value(row)
    return sums


def _span(first: date, days: int) -> list[date]:
    return [first + timedelta(days=at) for at in range(days)]


def _y(value: float, top: float) -> float:
    return round(HEIGHT * (1 - value / top), 2)


def _bar(at: int, days: int, low: float, high: float, top: float, series: int, title: str) -> Bar:
    y = _y(high, top)
    return Bar(
        x=round(100 * (at + (1 - BAR_SHARE) / 2) / days, 3),
        width=round(100 * BAR_SHARE / days, 3),
        y=y,
        # What there is stays visible.
        height=max(1.0, round(_y(low, top) - y, 2)),
        series=series,
        title=title,
    )


def _summary(
    title: str, heights: Sequence[float], first: date, worded: Callable[[float], str]
) -> str:
    if not any(heights):
        return f"{title}: nothing in {len(heights)} days."
    most = max(heights)
    day = first + timedelta(days=heights.index(most))
    return f"{title}: at most {worded(most)} a day, on {day:%d %B}; in {len(heights)} days."
