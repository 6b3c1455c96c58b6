"""Sets of runs: started in the evening, read in the morning."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import reverse

from evals.console import live
from evals.console.forms import StartRunSet, published_versions
from evals.models import RunSet
from evals.selectors import run_set_reports as reads
from evals.selectors.progress import progress
from evals.services import run_sets
from evals.services.runs import STARTERS
from infra import webhooks
from infra.console.pages import Crumbs, Page, page_of
from releases.models import Checkpoint


class RunSetsPage(Page):
    """All sets, newest first, and the form that starts one."""

    template_name = "evals/run_sets.html"
    title = "Sets of runs"
    forms = {"start": StartRunSet}

    def crumbs(self) -> Crumbs:
        return [("Runs", reverse("console-runs")), (self.heading(), "")]

    def context(self) -> dict[str, Any]:
        return {
            "rows": page_of(self.request, reads.run_sets(), 40),
            "may_start": self.actor.may(*STARTERS),
            "can_start": published_versions().exists() and Checkpoint.objects.exists(),
        }

    def do_start(self, data: dict[str, Any]) -> HttpResponseRedirect:
        made = run_sets.start_run_set(actor=self.actor, **data)
        return HttpResponseRedirect(reverse("console-run-set", args=[made.pk]))


class RunSetPage(Page):
    """One set: its runs while they go, then the report."""

    template_name = "evals/run_set.html"
    run_set: RunSet

    def load(self, **kwargs: Any) -> None:
        self.run_set = reads.run_set_with_id(kwargs["set_id"])

    def heading(self) -> str:
        return f"Set {self.run_set.name}"

    def crumbs(self) -> Crumbs:
        sets = ("Sets of runs", reverse("console-run-sets"))
        return [("Runs", reverse("console-runs")), sets, (self.heading(), "")]

    def get(self, request: Any, **kwargs: Any) -> HttpResponse:
        if request.GET.get("file") != "html":
            return super().get(request, **kwargs)
        content = reads.report_of(self.run_set).content
        page = HttpResponse(render_to_string("evals/run_set_file.html", {"report": content}))
        name = f"{self.run_set.name}-{self.run_set.created_at:%Y-%m-%d}.html"
        page["Content-Disposition"] = f'attachment; filename="{name}"'
        return page

    def context(self) -> dict[str, Any]:
        made = getattr(self.run_set, "report", None)
        members = [] if made else [(run, progress(run)) for run in self._members()]
        return {
            "run_set": self.run_set,
            "report": made.content if made else None,
            "deliveries": webhooks.deliveries(str(self.run_set.pk))[:20],
            "members": members,
            "live_state": live.set_facts(self.run_set, members)["state"],
        }

    def _members(self) -> Any:
        return reads.members(self.run_set)
