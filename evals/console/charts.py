"""What the pages' charts show, as Chart.js takes it; `console/charts.js` draws them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from evals.selectors.health import ClassHealth
from evals.shelf import Measured

Z = 1.96
A_YEAR = 365


def trend_chart(found: ClassHealth) -> str:
    """Scores by day with their 95% intervals, the ceiling, and where the suite stops telling."""
    measured = found.measured
    scores = [
        {
            "x": _day(point.day),
            "y": 100 * point.score,
            "lo": 100 * max(0.0, point.score - Z * point.se),
            "hi": 100 * min(1.0, point.score + Z * point.se),
            "name": point.checkpoint,
        }
        for point in measured.points
    ]
    forecast = _forecast(measured)
    # A day more on both sides: a single day's lines would have no length.
    first = scores[0]["x"] - 1
    last = max([scores[-1]["x"], *([forecast["xhi"]] if forecast else [])]) + 1
    lines = [_level("Ceiling", measured.ceiling, first, last)]
    if measured.mde is not None and measured.ceiling > measured.mde:
        name = "Stops telling apart"
        lines.append(_level(name, measured.ceiling - measured.mde, first, last))
    series = [{"name": "Score, 95 % interval", "standing": "on", "points": scores}, *lines]
    if forecast:
        name = "Forecast with its band"
        series.insert(1, {"name": name, "standing": "can't tell", "points": [forecast]})
    return json.dumps({"kind": "trend", "series": series})


def _forecast(measured: Measured) -> dict[str, Any] | None:
    """Where the trend meets what the suite can see; an end without date is a year away."""
    if measured.forecast is None or measured.mde is None:
        return None
    at = _day(measured.forecast)
    lo, hi = measured.forecast_lo, measured.forecast_hi
    return {
        "x": at,
        "y": 100 * (measured.ceiling - measured.mde),
        "lo": None,
        "hi": None,
        "xlo": at - A_YEAR if lo is None else _day(lo),
        "xhi": at + A_YEAR if hi is None else min(_day(hi), at + A_YEAR),
        "name": measured.forecast,
    }


STANDINGS = {"on": "On the frontier", "can't tell": "Can't tell", "off": "Dominated"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """What quality is drawn against: a measure of a point, its unit's size, and its title."""

    measure: str
    per_unit: float
    title: str


# Micro-units a call are thousandths a thousand calls.
COST = Axis(measure="cost", per_unit=1000.0, title="Cost of 1,000 calls")
LATENCY = Axis(measure="p95", per_unit=1.0, title="p95 latency, ms")


def frontier_chart(points: Sequence[Mapping[str, Any]], axis: Axis = COST) -> str:
    """Quality against that axis; one series for each standing."""
    series = [
        {
            "name": name,
            "standing": standing,
            "points": [
                _placed(point, axis)
                for point in points
                if point["standing"] == standing and point[axis.measure]
            ],
        }
        for standing, name in STANDINGS.items()
    ]
    shown = [one for one in series if one["points"]]
    return json.dumps({"kind": "frontier", "x": axis.title, "series": shown})


def _placed(point: Mapping[str, Any], axis: Axis) -> dict[str, Any]:
    quality, across = point["quality"], point[axis.measure]
    return {
        "x": across["value"] / axis.per_unit,
        "xlo": None if across["lo"] is None else across["lo"] / axis.per_unit,
        "xhi": None if across["hi"] is None else across["hi"] / axis.per_unit,
        "y": 100 * quality["value"],
        "lo": None if quality["lo"] is None else 100 * quality["lo"],
        "hi": None if quality["hi"] is None else 100 * quality["hi"],
        "name": f"{point['checkpoint']}, {point['size']}",
    }


def _level(name: str, share: float, first: float, last: float) -> dict[str, Any]:
    return {"name": name, "points": [{"x": x, "y": 100 * share} for x in (first, last)]}


def _day(day: str) -> int:
    """Days since 1970, which a linear axis takes."""
    return date.fromisoformat(day).toordinal() - date(1970, 1, 1).toordinal()
