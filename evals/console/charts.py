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
    lines = [_level("Ceiling", measured.ceiling, scores[0]["x"], last)]
    if measured.mde is not None and measured.ceiling > measured.mde:
        name = "Stops telling apart"
        lines.append(_level(name, measured.ceiling - measured.mde, scores[0]["x"], last))
    return json.dumps({"kind": "trend", "scores": scores, "lines": lines})


def frontier_chart(points: Sequence[Mapping[str, Any]]) -> str:
    """Quality against cost a call; those on the frontier apart from the dominated ones."""
    shown = [
        {
            "x": point["cost"]["value"],
            "y": 100 * point["quality"]["value"],
            "lo": 100 * (point["quality"]["lo"] or 0.0),
            "hi": 100 * (point["quality"]["hi"] or 1.0),
            "name": point["checkpoint"],
            "dominated": point["is_dominated"],
        }
        for point in points
        if not point["left_out"]
    ]
    return json.dumps({"kind": "frontier", "scores": shown, "lines": []})


def _level(name: str, share: float, first: float, last: float) -> dict[str, Any]:
    return {"name": name, "points": [{"x": x, "y": 100 * share} for x in (first, last)]}


def _day(day: str) -> int:
    """Days since 1970, which a linear axis takes."""
    return date.fromisoformat(day).toordinal() - date(1970, 1, 1).toordinal()
