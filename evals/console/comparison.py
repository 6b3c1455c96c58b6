"""One comparison: the component tree as a forest plot, and the cases that moved, one by one."""

from __future__ import annotations

from typing import Any

from django.urls import reverse

from evals import components
from evals.console.forest import Only, Order, arranged, counted, forest_of
from evals.console.moved import walk_of
from evals.models import Comparison
from evals.selectors import comparisons as reads
from evals.selectors.judged_comparisons import root_of, shown
from evals.selectors.tries import tries_of
from evals.selectors.uncompared import partial_sentences, uncompared
from infra import clock
from infra.console.pages import Crumbs, Page
from infra.errors import NotFound


class ComparisonPage(Page):
    """Which component got worse, by how much, and on which cases; every view has its address."""

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
        forest = forest_of(seen.nodes, found.margin, suite)
        node, within = self._node("node", seen.nodes), self._node("within", seen.nodes)
        order, only = self._one_of(Order, "sort"), self._one_of(Only, "only")
        pairs = reads.pairs_of(found, node)
        return {
            "comparison": found,
            "suite": suite,
            "forest": arranged(forest, order, only, within),
            "counts": counted(forest),
            "order": order,
            "only": only,
            "within": within,
            "branches": _branches(seen.nodes),
            "judges": seen.judges,
            "judge_problem": seen.problem,
            "node": node,
            "node_label": node or f"{suite}, whole suite",
            "walk": walk_of(self.request.GET, found, pairs, node),
            "tries": tries_of(found, seen.nodes),
            "uncompared": uncompared(found, pairs, node),
            "partial": partial_sentences(found),
            "level": f"{100 * found.confidence:.6g}",
            "root": root_of(seen.nodes),
        }

    def _node(self, name: str, nodes: Any) -> str:
        wanted = self.request.GET.get(name, components.ROOT)
        if all(wanted != node["node"] for node in nodes):
            raise NotFound("no_such_node", f"This comparison has no component {wanted!r}.")
        return wanted

    def _one_of(self, choices: Any, name: str) -> Any:
        """What the address asks for; the first choice when it asks for something else."""
        wanted = self.request.GET.get(name, "")
        return choices(wanted) if wanted in set(choices) else next(iter(choices))


def _branches(nodes: Any) -> list[str]:
    """Components with others below them: what the list can be narrowed to."""
    names = [node["node"] for node in nodes if node["node"]]
    parents = {above for name in names for above in components.ancestors(name)}
    return [name for name in names if name in parents]
