"""Sizes on one suite: quality against cost and latency, with dominated checkpoints marked."""

from __future__ import annotations

from typing import Any

from evals.console.charts import COST, LATENCY, frontier_chart
from evals.models import Suite, SuiteVersion
from evals.selectors.suites import version_named
from evals.services.frontier import frontier
from evals.states import RunState
from infra.console.pages import Page


class FrontierPage(Page):
    """The frontier of a suite's newest version."""

    template_name = "evals/frontier.html"
    suites: list[Suite]
    version: SuiteVersion | None

    def load(self, **kwargs: Any) -> None:
        shown = Suite.objects.filter(is_internal=False)
        tried = shown.filter(versions__runs__state=RunState.COMPLETED.value).distinct()
        self.suites = list(tried.order_by("name"))
        wanted = self.request.GET.get("suite") or (self.suites[0].name if self.suites else "")
        self.version = version_named(wanted) if wanted else None

    def heading(self) -> str:
        return f"Frontier {self.version}" if self.version else "Frontier"

    def context(self) -> dict[str, Any]:
        if self.version is None:
            return {"suites": self.suites, "points": [], "version": None}
        found = frontier(self.version)
        return {
            "suites": self.suites,
            "version": self.version,
            "points": found.points,
            "sentences": found.sentences,
            "charts": [
                (axis.title, frontier_chart(found.points, axis)) for axis in (COST, LATENCY)
            ],
        }
