"""The forecast ledger: what promotions predicted of their stages, and what happened there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from infra.console.pages import Page, page_of
from infra.errors import NotFound
from releases.models import Forecast
from releases.selectors import forecasts as reads
from releases.states import ForecastKind


class ForecastsPage(Page):
    """Scores by kind, the calibration plot, and every forecast beside its observation."""

    template_name = "releases/forecasts.html"
    title = "Forecasts"

    def context(self) -> dict[str, Any]:
        kind = self.request.GET.get("kind", "")
        if kind and kind not in set(ForecastKind):
            raise NotFound("no_such_kind", f"There is no kind of forecast {kind!r}.")
        rows = page_of(self.request, reads.forecasts(kind), 40)
        return {
            "rows": rows,
            "kind": kind,
            "kinds": [(one.value, one.value.replace("_", " ")) for one in ForecastKind],
            "ledger": [{**row, "label": row["kind"].replace("_", " ")} for row in reads.ledger()],
            "chart": calibration_chart(reads.points(kind)),
        }


def calibration_chart(points: Sequence[dict[str, Any]]) -> str:
    """Observed against predicted in percent, as charts.js takes it; empty without a point."""
    if not points:
        return ""
    held = [_placed(point) for point in points if point["agrees"]]
    missed = [_placed(point) for point in points if not point["agrees"]]
    most = max(max(point["predicted"][0], point["observed"][0]) for point in points) * 100 + 1
    series = [
        {"name": "Held", "standing": "on", "points": held},
        {"name": "Missed", "standing": "can't tell", "points": missed},
        {"name": "As predicted", "points": [{"x": x, "y": x} for x in (0, most)]},
    ]
    shown = [one for one in series if one["points"]]
    titles = {"x": "Predicted, %", "y": "Observed, %"}
    return json.dumps({"kind": "calibration", **titles, "series": shown})


def _placed(point: dict[str, Any]) -> dict[str, Any]:
    value, lo, hi = (100 * share for share in point["observed"])
    name = point["name"] or Forecast(kind=point["kind"]).label
    name = f"{name} of {point['checkpoint']}"
    return {"x": 100 * point["predicted"][0], "y": value, "lo": lo, "hi": hi, "name": name}
