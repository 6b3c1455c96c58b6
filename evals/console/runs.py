"""Runs: started, followed while they go, read when they are over."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponseRedirect
from django.urls import reverse

from evals import outputs
from evals.console.forms import StartRun, published_versions
from evals.console.queries import score_lines
from evals.models import Result, Run
from evals.selectors import runs as reads
from evals.services import runs as services
from evals.states import ResultState
from infra.console.fields import WhyForm
from infra.console.pages import Crumbs, Page, page_of
from releases.models import Checkpoint


class RunsPage(Page):
    """All runs, newest first, and the form that starts one."""

    template_name = "evals/runs.html"
    title = "Runs"
    forms = {"start": StartRun}

    def form_options(self, name: str) -> dict[str, Any]:
        return {"initial": self.request.GET.dict()}

    def context(self) -> dict[str, Any]:
        return {
            "rows": page_of(self.request, reads.runs(), 40),
            "n_versions": published_versions().count(),
            "n_checkpoints": Checkpoint.objects.count(),
            "may_start": self.actor.may(*services.STARTERS),
        }

    def do_start(self, data: dict[str, Any]) -> HttpResponseRedirect:
        run = services.start_run(actor=self.actor, **data)
        return HttpResponseRedirect(reverse("console-run", args=[run.pk]))


class RunPage(Page):
    """One run: progress while it goes, then metrics and every result."""

    template_name = "evals/run.html"
    forms = {"cancel": WhyForm}
    run: Run

    def load(self, **kwargs: Any) -> None:
        self.run = reads.run_with_id(kwargs["run_id"])

    def heading(self) -> str:
        return f"{self.run.checkpoint.name} on {self.run.version}"

    def crumbs(self) -> Crumbs:
        return [("Runs", reverse("console-runs")), (self.heading(), "")]

    def context(self) -> dict[str, Any]:
        wanted = self.request.GET.get("state", "")
        rows = Result.objects.filter(run=self.run).select_related("case")
        if wanted in list(ResultState):
            rows = rows.filter(state=wanted)
        page = page_of(self.request, rows.order_by("case__position", "repeat"), 25)
        progress = reads.progress(self.run)
        return {
            "run": self.run,
            "progress": progress,
            "done_percent": round(100 * progress.done / progress.total) if progress.total else 0,
            "lines": score_lines([self.run], self.run.version.suite.name),
            "results": page,
            "answers": [(row, outputs.unpack(row.output)) for row in page],
            "state": wanted,
            "states": list(ResultState),
            "may_cancel": self.actor.may(*services.STARTERS) and not progress.is_over,
        }

    def do_cancel(self, data: dict[str, Any]) -> str:
        services.cancel_run(actor=self.actor, run=self.run, reason=data["reason"])
        return "Cancelled: what was recorded stays, and no metric is made of it."
