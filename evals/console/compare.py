"""Picks two checkpoints and a suite to compare."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponseRedirect
from django.urls import reverse

from evals.console.forms import CompareForm
from evals.models import Run, Suite
from evals.selectors import comparisons as reads
from evals.selectors import runs
from evals.services.comparisons import compare
from evals.states import RunState
from infra.console.pages import Page, page_of
from infra.errors import InvalidInput
from releases.models import Checkpoint


class ComparePage(Page):
    """Picks two checkpoints and a suite; lists what was compared."""

    template_name = "evals/compare.html"
    title = "Compare"
    forms = {"compare": CompareForm}

    def context(self) -> dict[str, Any]:
        rows = reads.comparisons().order_by("-compared_at").defer("nodes")
        return {
            "rows": page_of(self.request, rows, 25),
            "n_completed": runs.listed_runs(state=RunState.COMPLETED.value).count(),
        }

    def form_options(self, name: str) -> dict[str, Any]:
        return {"initial": self.request.GET.dict()}

    def do_compare(self, data: dict[str, Any]) -> HttpResponseRedirect:
        candidate, baseline = data["candidate"], data["baseline"]
        if candidate == baseline:
            raise InvalidInput("same_checkpoint", "Choose two different checkpoints.")
        ours, theirs = run_pair(data["suite"], candidate, baseline)
        made = compare(candidate_run=ours, baseline_run=theirs, margin=data["margin"] / 100)
        return HttpResponseRedirect(reverse("console-comparison", args=[made.pk]))


def run_pair(suite: Suite, candidate: Checkpoint, baseline: Checkpoint) -> tuple[Run, Run]:
    """Both newest completed runs, on one version where there is one; NotFound names who lacks.

    A candidate's run that stopped early by the baseline's goes with the very run it stopped by.
    """
    of_suite = runs.completed().filter(version__suite=suite)
    theirs = of_suite.filter(checkpoint=baseline) or _partial(suite, baseline)
    stopped = runs.runs(state=RunState.COMPLETED.value).filter(
        checkpoint=candidate, early_stop__isnull=False, stop_early_against__in=theirs.values("pk")
    )
    whole = of_suite.filter(checkpoint=candidate)
    last, settled = whole.first(), stopped.filter(version__suite=suite).first()
    if settled is not None and (last is None or settled.created_at > last.created_at):
        return settled, settled.stop_early_against
    ours = whole or _partial(suite, candidate)
    for checkpoint, found in ((candidate, ours), (baseline, theirs)):
        if not found:
            message = f"{checkpoint} has no completed run on {suite}: start one first."
            raise InvalidInput("no_completed_run", message)
    shared = set(ours.values_list("version", flat=True)) & set(
        theirs.values_list("version", flat=True)
    )
    if shared:
        ours, theirs = ours.filter(version__in=shared), theirs.filter(version__in=shared)
    first = ours[0]
    same = theirs.filter(version=first.version).first()
    return first, same or theirs[0]


def _partial(suite: Suite, checkpoint: Checkpoint) -> QuerySet[Run]:
    """Completed runs that ended before their last case: what they skipped is missing."""
    found = runs.runs(state=RunState.COMPLETED.value).filter(version__suite=suite)
    return found.filter(checkpoint=checkpoint)
