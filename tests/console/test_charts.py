"""What the charts are given: every point in its series, intervals as they are known."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from evals.console.charts import LATENCY, frontier_chart, trend_chart
from evals.console.sparkline import HEIGHT, WIDTH, sparkline
from evals.selectors.health import ClassHealth
from evals.shelf import Measured, Point
from releases.statistics.suite_status import SuiteStatus
from tests.builders import NOW


def point(name: str, standing: str, lo: float | None = 0.5) -> dict[str, Any]:
    quality = {"value": 0.7, "lo": lo, "hi": None if lo is None else 0.9}
    return {
        "checkpoint": name,
        "standing": standing,
        "left_out": "cost" if standing == "left out" else None,
        "quality": quality,
        "size": "nano",
        "cost": None if standing == "left out" else {"value": 12.0, "lo": 10.0, "hi": 15.0},
        "p95": {"value": 640.0, "lo": None, "hi": None},
    }


def test_points_stand_in_the_series_of_their_standing() -> None:
    given = [point("a", "off"), point("b", "on"), point("c", "can't tell"), point("d", "left out")]
    told = json.loads(frontier_chart(given))
    shown = {one["name"]: [each["name"] for each in one["points"]] for one in told["series"]}
    assert shown == {
        "On the frontier": ["b, nano"],
        "Can't tell": ["c, nano"],
        "Dominated": ["a, nano"],
    }


def test_cost_is_of_a_thousand_calls_and_an_unknown_interval_stays_unknown() -> None:
    (series,) = json.loads(frontier_chart([point("a", "on", lo=None)]))["series"]
    cost = {"x": 0.012, "xlo": 0.01, "xhi": 0.015}
    assert series["points"] == [{**cost, "y": 70.0, "lo": None, "hi": None, "name": "a, nano"}]


def test_latency_is_in_milliseconds() -> None:
    told = json.loads(frontier_chart([point("a", "on")], LATENCY))
    assert told["x"] == "p95 latency, ms"
    assert told["series"][0]["points"][0]["x"] == 640.0


def health(*, hi: str | None = "2026-09-01", forecast: str | None = "2026-08-01") -> ClassHealth:
    days = ("2026-05-01", "2026-06-01", "2026-07-01")
    points = [
        Point(checkpoint=f"c{n}", day=d, score=0.5 + n / 10, se=0.02) for n, d in enumerate(days)
    ]
    measured = Measured(
        points=points, n_cases=10, n_constant=0, n_passed_by_all=0, difficulty=[0] * 10,
        n_no_signal=0, to_check=[], best=0.7, ceiling=0.9, ceiling_lo=0.8, ceiling_hi=1.0,
        n_audited=0, n_mislabelled=0, headroom=0.2, mde=0.05, live_share=1.0, is_saturated=False,
        saturated_before=False, is_contaminated=False, forecast=forecast, forecast_lo="2026-07-15",
        forecast_hi=hi, n_from_partners=0, n_partners=0, signals=[], link=None,
    )  # fmt: skip
    return ClassHealth(
        family="chat", size="nano", state=SuiteStatus.FRESH, reason="", measured=measured,
        measured_at=NOW,
    )  # fmt: skip


def series_of(found: ClassHealth) -> dict[str, Any]:
    return {one["name"]: one["points"] for one in json.loads(trend_chart(found))["series"]}


def test_the_forecast_has_its_band_at_the_level_where_the_suite_stops_telling() -> None:
    (mark,) = series_of(health())["Forecast with its band"]
    assert (mark["xhi"] - mark["x"], mark["x"] - mark["xlo"]) == (31, 17)
    assert mark["y"] == pytest.approx(85.0)
    level = series_of(health())["Ceiling"]
    assert level[-1]["x"] > mark["xhi"]


def test_a_forecast_without_end_reaches_a_year_ahead() -> None:
    (mark,) = series_of(health(hi=None))["Forecast with its band"]
    assert mark["xhi"] - mark["x"] == 365


def test_no_forecast_no_band() -> None:
    assert "Forecast with its band" not in series_of(health(forecast=None))


def test_a_sparkline_stays_in_its_box_and_says_what_it_shows() -> None:
    found = sparkline(health().measured)
    assert found is not None and found.resolution is not None
    ys = [y for _, y in found.dots]
    assert ys == sorted(ys, reverse=True) and found.ceiling < found.resolution
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in found.dots)
    assert found.said == "3 checkpoints, from 50.0 % to 70.0 %, under a ceiling of 90.0 %"


def test_one_checkpoint_stands_in_the_middle() -> None:
    measured = replace(health().measured, mde=None)
    found = sparkline(replace(measured, points=measured.points[:1]))
    assert found is not None and found.dots[0][0] == WIDTH / 2
    assert sparkline(replace(measured, points=[])) is None
