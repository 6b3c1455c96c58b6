"""Runs: started, followed while they go, read when they are over."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponseRedirect
from django.urls import reverse

from evals import outputs
from evals.console import live
from evals.console.forms import RegradeForm, StartRun, published_versions
from evals.console.queries import score_lines
from evals.models import Result, Run, SuiteVersion
from evals.selectors import probes
from evals.selectors import runs as reads
from evals.selectors.progress import progress as progress_of
from evals.services import regrades, run_controls
from evals.services import runs as services
from evals.states import ResultState, RunState
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
            "rows": page_of(self.request, reads.listed_runs(probes=self._of_probes()), 40),
            "of_probes": self._of_probes(),
            "n_versions": published_versions().count(),
            "n_checkpoints": Checkpoint.objects.count(),
            "may_start": self.actor.may(*services.STARTERS),
        }

    def _of_probes(self) -> bool:
        return self.request.GET.get("probes") == "1"

    def do_start(self, data: dict[str, Any]) -> HttpResponseRedirect:
        run = services.start_run(actor=self.actor, **data)
        return HttpResponseRedirect(reverse("console-run", args=[run.pk]))


class RunPage(Page):
    """One run: progress while it goes, then metrics and every result."""

    template_name = "evals/run.html"
    forms = {"cancel": WhyForm, "pause": WhyForm, "resume": WhyForm, "regrade": RegradeForm}
    run: Run

    def load(self, **kwargs: Any) -> None:
        self.run = reads.run_with_id(kwargs["run_id"])

    def heading(self) -> str:
        return f"{self.run.checkpoint.name} on {self.run.version}"

    def form_options(self, name: str) -> dict[str, Any]:
        return {"versions": self._newer_versions()} if name == "regrade" else {}

    def _newer_versions(self) -> QuerySet[SuiteVersion]:
        mine = self.run.version
        return published_versions().filter(suite_id=mine.suite_id, number__gt=mine.number)

    def _regrade_cost(self) -> regrades.RegradeCost | None:
        """By the newest version; None when nothing could be graded again."""
        newest = self._newer_versions().first()
        if newest is None or self.run.state != RunState.COMPLETED.value:
            return None
        return regrades.regrade_cost(run=self.run, version=newest)

    def crumbs(self) -> Crumbs:
        return [("Runs", reverse("console-runs")), (self.heading(), "")]

    def context(self) -> dict[str, Any]:
        wanted = self.request.GET.get("state", "")
        blind = probes.rated_now(self.run.pk)
        rows = Result.objects.filter(run=self.run).select_related("case")
        rows = rows.none() if blind else rows
        if wanted in list(ResultState):
            rows = rows.filter(state=wanted)
        page = page_of(self.request, rows.order_by("case__position", "repeat"), 25)
        progress = progress_of(self.run)
        may = self.actor.may(*services.STARTERS)
        return {
            "run": self.run,
            "progress": progress,
            "live": live.facts_of(progress),
            "lines": score_lines([self.run], self.run.version.suite.name),
            "regrade_cost": self._regrade_cost() if may else None,
            "caps": _caps_shown(self.run),
            "early_stop": getattr(self.run, "early_stop", None),
            "rated_blind": blind,
            "results": page,
            "answers": [(row, outputs.unpack(row.output)) for row in page],
            "state": wanted,
            "states": list(ResultState),
            "may_control": may and not progress.is_over,
            "stated": reads.stated_beside(self.run),
        }

    def do_cancel(self, data: dict[str, Any]) -> str:
        services.cancel_run(actor=self.actor, run=self.run, reason=data["reason"])
        return "Cancelled: what was recorded stays, and no metric is made of it."

    def do_regrade(self, data: dict[str, Any]) -> HttpResponseRedirect:
        made = regrades.regrade_run(actor=self.actor, run=self.run, **data)
        return HttpResponseRedirect(reverse("console-run", args=[made.pk]))

    def do_pause(self, data: dict[str, Any]) -> str:
        run_controls.pause_run(actor=self.actor, run=self.run, reason=data["reason"])
        return "Paused: no further call begins; what is under way is recorded."

    def do_resume(self, data: dict[str, Any]) -> str:
        run_controls.resume_run(actor=self.actor, run=self.run, reason=data["reason"])
        return "Resumed: nothing that was recorded is asked again."


def _caps_shown(run: Run) -> list[str]:
    """`2.5 in money`, `10,000 tokens`, `600 s`."""
    shown = []
    if run.most_cost_micros is not None:
        shown.append(f"{run.most_cost_micros / 1_000_000:,.2f} in money")
    if run.most_tokens is not None:
        shown.append(f"{run.most_tokens:,} tokens")
    if run.most_seconds is not None:
        shown.append(f"{run.most_seconds:,} s")
    return shown
