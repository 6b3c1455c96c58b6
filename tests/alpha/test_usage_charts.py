"""Where the bars of usage stand: by hand-computed rows."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alpha.usage_charts import HEIGHT, OTHERS, names_of, nice, spans, stacked
from alpha.usage_days import UsageDay, total_of

FIRST = date(2026, 3, 1)


def row(day: int = 0, codename: str = "quasar", **fields: object) -> UsageDay:
    values = {
        "day": FIRST + timedelta(days=day), "codename": codename, "currency": "USD",
        "n_requests": 10, "n_failed": 1, "tokens_in": 60, "tokens_out": 40,
        "cost_micros": 500, "p50_ms": 100.0, "p95_ms": 400.0,
    }  # fmt: skip
    return UsageDay(**{**values, **fields})  # type: ignore[arg-type]


def chart(rows: list[UsageDay], **fields: object):  # noqa: ANN201
    return stacked(
        rows,
        title="Requests",
        first=FIRST,
        days=10,
        value=lambda one: one.n_requests,
        worded=lambda value: f"{value:g}",
        **fields,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, 1), (0.3, 0.5), (1, 1), (1.01, 2), (2.2, 2.5), (3, 5), (7, 10), (100, 100), (0.02, 0.02)],
)
def test_a_scale_ends_at_a_round_number(value: float, expected: float) -> None:
    assert nice(value) == pytest.approx(expected)


def test_bars_stack_from_the_floor_up() -> None:
    found = chart([row(2, n_requests=10), row(2, "pulsar", n_requests=30)])
    assert found.top == "50"
    # Most called first: 30 of 50 from the floor, then 10 of 50 on it.
    low, high = found.bars
    assert (low.series, low.y, low.height) == (0, HEIGHT * 0.4, HEIGHT * 0.6)
    assert (high.series, high.y, high.height) == (1, HEIGHT * 0.2, HEIGHT * 0.2)
    assert low.x == high.x == pytest.approx(20 + 1.4)
    assert found.summary == "Requests: at most 40 a day, on 03 March; in 10 days."


def test_a_budget_fits_into_the_chart() -> None:
    found = chart([row()], level=100, level_label="limit 100 a day")
    assert found.top == "100" and found.lines[0].y == 0
    assert found.bars[0].height == HEIGHT * 0.1


def test_nothing_is_said_to_be_nothing() -> None:
    found = chart([])
    assert found.is_empty and "nothing in 10 days" in found.summary


def test_the_fifth_codename_shares_a_colour() -> None:
    rows = [row(0, f"name-{at}", n_requests=100 - at) for at in range(6)]
    assert names_of(rows) == ("name-0", "name-1", "name-2", "name-3", OTHERS)
    assert chart(rows).bars[-1].title.endswith("191 others")


def test_latency_goes_from_the_median_to_the_95th_percentile() -> None:
    rows = [row(1), row(1, "rare", n_requests=1, p95_ms=9000.0), row(2, p50_ms=None, p95_ms=None)]
    found = spans(rows, title="Latency", first=FIRST, days=10, worded=lambda value: f"{value:g} ms")
    (bar,) = found.bars
    assert (bar.y, bar.height) == (pytest.approx(HEIGHT * 0.2), pytest.approx(HEIGHT * 0.6))
    assert bar.title == "02 Mar: half within 100 ms, 95 % within 400 ms quasar"


def test_several_currencies_are_not_added_up_silently() -> None:
    both = [row(), row(1, currency="EUR")]
    assert total_of(both).currency == "" and total_of(both[:1]).currency == "USD"


# Importing what draws may take seconds where others work too.
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 10**12)), max_size=20))
def test_every_bar_lies_inside_the_drawing(made: list[tuple[int, int]]) -> None:
    found = chart([row(day, n_requests=n) for day, n in made])
    for bar in found.bars:
        assert 0 <= bar.x and bar.x + bar.width <= 100
        assert -0.01 <= bar.y <= HEIGHT and bar.y + bar.height <= HEIGHT + 1.01
