"""Sizes on one suite: quality against cost and latency, with dominated checkpoints marked."""

from __future__ import annotations

from typing import Any

from evals.console.charts import frontier_chart
from evals.models import Suite
from evals.selectors.suites import version_named
from evals.services.frontier import frontier
from evals.states import RunState
from infra.console.pages import Page


class FrontierPage(Page):
    """The frontier of a suite's newest version."""

    template_name = "evals/frontier.html"
    title = "Frontier"

    def context(self) -> dict[str, Any]:
        tried = Suite.objects.filter(versions__runs__state=RunState.COMPLETED.value).distinct()
        suites = list(tried.order_by("name"))
        wanted = self.request.GET.get("suite") or (suites[0].name if suites else "")
        if not wanted:
            return {"suites": suites, "points": [], "version": None}
        version = version_named(wanted)
        found = frontier(version)
        return {
            "suites": suites,
            "version": version,
            "points": found.points,
            "sentences": found.sentences,
            "chart": frontier_chart(found.points),
        }
