"""What the charts are given: every point in its series, intervals as they are known."""

from __future__ import annotations

import json
from typing import Any

from evals.console.charts import frontier_chart


def point(name: str, standing: str, lo: float | None = 0.5) -> dict[str, Any]:
    quality = {"value": 0.7, "lo": lo, "hi": None if lo is None else 0.9}
    return {
        "checkpoint": name,
        "standing": standing,
        "left_out": "cost" if standing == "left out" else None,
        "quality": quality,
        "cost": None if standing == "left out" else {"value": 12.0},
    }


def test_points_stand_in_the_series_of_their_standing() -> None:
    given = [point("a", "off"), point("b", "on"), point("c", "can't tell"), point("d", "left out")]
    told = json.loads(frontier_chart(given))
    shown = {one["name"]: [each["name"] for each in one["points"]] for one in told["series"]}
    assert shown == {"On the frontier": ["b"], "Can't tell": ["c"], "Dominated": ["a"]}


def test_cost_is_of_a_thousand_calls_and_an_unknown_interval_stays_unknown() -> None:
    (series,) = json.loads(frontier_chart([point("a", "on", lo=None)]))["series"]
    assert series["points"] == [{"x": 0.012, "y": 70.0, "lo": None, "hi": None, "name": "a"}]
