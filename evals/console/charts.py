"""What the pages' charts show, as Chart.js takes it; `console/charts.js` draws them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from evals.selectors.health import ClassHealth

Z = 1.96


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
    last = max([scores[-1]["x"], *([_day(measured.forecast)] if measured.forecast else [])])
    # A day more on both sides: a single day's lines would have no length.
    first, last = scores[0]["x"] - 1, last + 1
    lines = [_level("Ceiling", measured.ceiling, first, last)]
    if measured.mde is not None and measured.ceiling > measured.mde:
        name = "Stops telling apart"
        lines.append(_level(name, measured.ceiling - measured.mde, first, last))
    series = [{"name": "Score, 95 % interval", "standing": "on", "points": scores}, *lines]
    return json.dumps({"kind": "trend", "series": series})


STANDINGS = {"on": "On the frontier", "can't tell": "Can't tell", "off": "Dominated"}


def frontier_chart(points: Sequence[Mapping[str, Any]]) -> str:
    """Quality against the cost of 1,000 calls; one series for each standing."""
    series = [
        {
            "name": name,
            "standing": standing,
            "points": [_placed(point) for point in points if point["standing"] == standing],
        }
        for standing, name in STANDINGS.items()
    ]
    return json.dumps({"kind": "frontier", "series": [one for one in series if one["points"]]})


def _placed(point: Mapping[str, Any]) -> dict[str, Any]:
    quality = point["quality"]
    return {
        # Micro-units a call are thousandths a thousand calls.
        "x": point["cost"]["value"] / 1000,
        "y": 100 * quality["value"],
        "lo": None if quality["lo"] is None else 100 * quality["lo"],
        "hi": None if quality["hi"] is None else 100 * quality["hi"],
        "name": point["checkpoint"],
    }


def _level(name: str, share: float, first: float, last: float) -> dict[str, Any]:
    return {"name": name, "points": [{"x": x, "y": 100 * share} for x in (first, last)]}


def _day(day: str) -> int:
    """Days since 1970, which a linear axis takes."""
    return date.fromisoformat(day).toordinal() - date(1970, 1, 1).toordinal()
