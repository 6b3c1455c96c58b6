"""Comparisons: two checkpoints on one suite, component by component."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponseRedirect
from django.urls import reverse

from evals.console.forest import forest_of
from evals.console.forms import CompareForm
from evals.models import Comparison, Run, Suite
from evals.selectors import comparisons as reads
from evals.selectors import runs
from evals.selectors.flipped import moved_cases
from evals.selectors.judged_comparisons import shown
from evals.selectors.tries import tries_of
from evals.selectors.uncompared import partial_sentences, uncompared
from evals.services.comparisons import compare
from evals.states import RunState
from infra import clock
from infra.console.pages import Crumbs, Page, page_of
from infra.errors import InvalidInput, NotFound
from releases.models import Checkpoint

SHOWN_A_WAY = 10


class ComparePage(Page):
    """Picks two checkpoints and a suite; lists what was compared."""

    template_name = "evals/compare.html"
    title = "Compare"
    forms = {"compare": CompareForm}

    def context(self) -> dict[str, Any]:
        rows = reads.comparisons().order_by("-compared_at").defer("nodes")
        return {
            "rows": page_of(self.request, rows, 25),
            "n_completed": Run.objects.filter(state=RunState.COMPLETED.value).count(),
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


class ComparisonPage(Page):
    """The component tree as a forest plot, and the cases that flipped."""

    template_name = "evals/comparison.html"
    comparison: Comparison

    def load(self, **kwargs: Any) -> None:
        self.comparison = reads.comparison_with_id(kwargs["comparison_id"])

    def heading(self) -> str:
        ours, theirs = self.comparison.candidate, self.comparison.baseline
        return f"{ours.checkpoint.name} against {theirs.checkpoint.name}"

    def crumbs(self) -> Crumbs:
        return [("Compare", reverse("console-compare")), (self.heading(), "")]

    def context(self) -> dict[str, Any]:
        found = self.comparison
        suite = found.candidate.version.suite.name
        seen = shown(found, clock.now())
        nodes = {node["node"]: node for node in seen.nodes}
        node = self.request.GET.get("node", "")
        if node not in nodes:
            raise NotFound("no_such_node", f"This comparison has no component {node!r}.")
        pairs = reads.pairs_of(found, node)
        return {
            "comparison": found,
            "suite": suite,
            "forest": forest_of(seen.nodes, found.margin, suite),
            "judges": seen.judges,
            "judge_problem": seen.problem,
            "node": node,
            "node_label": node or f"{suite}, whole suite",
            "moved": [
                (way, page_of(self.request, rows, SHOWN_A_WAY, way.value))
                for way, rows in moved_cases(found, pairs, node).items()
            ],
            "tries": tries_of(found, seen.nodes),
            "uncompared": uncompared(found, pairs, node),
            "partial": partial_sentences(found),
            "level": f"{100 * found.confidence:.6g}",
            "root": nodes[""],
        }
