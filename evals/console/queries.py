"""What the pages of `evals` show, each in a constant number of queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Count, Q, QuerySet

from evals import components
from evals.models import Metric, Run, Suite, SuiteVersion
from evals.states import RunState


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreLine:
    """One component and its metric in each column."""

    node: str
    depth: int
    label: str
    metrics: Sequence[Metric | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoreboard:
    """Components by checkpoints: each one's newest completed run on the version."""

    runs: Sequence[Run]
    lines: Sequence[ScoreLine]


def versions_of(suite: Suite) -> QuerySet[SuiteVersion]:
    """Newest first, with how many runs each has."""
    return suite.versions.annotate(
        n_runs=Count("runs", filter=Q(runs__state=RunState.COMPLETED.value))
    )


def scoreboard(version: SuiteVersion, most: int = 6) -> Scoreboard:
    """At most `most` checkpoints, the newest runs that asked every case first."""
    newest = (
        Run.objects.filter(version=version, state=RunState.COMPLETED.value, ended_because="")
        .order_by("checkpoint_id", "-created_at")
        .distinct("checkpoint_id")
    )
    runs = sorted(
        newest.select_related("checkpoint"), key=lambda run: run.created_at, reverse=True
    )[:most]
    return Scoreboard(runs=runs, lines=score_lines(runs, version.suite.name))


def score_lines(runs: Sequence[Run], suite: str) -> list[ScoreLine]:
    """The metrics of those runs, a line a component, in the tree's order."""
    found: dict[str, dict[UUID, Metric]] = {}
    for metric in Metric.objects.filter(run__in=runs).select_related("run__checkpoint"):
        found.setdefault(metric.node, {})[metric.run_id] = metric
    return [_line(node, found[node], runs, suite) for node in _in_order(found)]


def _in_order(found: Mapping[str, object]) -> list[str]:
    if not found:
        return []
    return [node for node in components.tree(set(found)) if node in found]


def _line(node: str, found: Mapping[UUID, Metric], runs: Sequence[Run], suite: str) -> ScoreLine:
    return ScoreLine(
        node=node,
        depth=len(components.parse(node)),
        label=node or f"{suite}, whole suite",
        metrics=[found.get(run.pk) for run in runs],
    )
