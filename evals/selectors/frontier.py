"""Sizes on one suite: which checkpoints are worth their cost and latency."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from evals.models import Run, SuiteVersion
from evals.selectors import scores
from evals.states import RunState

if TYPE_CHECKING:
    from releases.statistics.size_frontier import SizePoint

MOST_CHECKPOINTS = 12


def runs_on(version: SuiteVersion) -> list[Run]:
    """The newest completed run of each checkpoint on the version, at most twelve, newest first.

    Partial runs, whose cases are not those of the others, are left out.
    """
    newest = (
        Run.objects.filter(version=version, state=RunState.COMPLETED.value, ended_because="")
        .order_by("checkpoint_id", "-created_at")
        .distinct("checkpoint_id")
        .select_related("checkpoint__family", "version__suite")
    )
    return sorted(newest, key=lambda run: run.created_at, reverse=True)[:MOST_CHECKPOINTS]


def size_points(runs: Sequence[Run]) -> list[SizePoint]:
    """Each run's place by quality, cost and latency, on the cases of their one version."""
    import numpy as np  # only where numbers are made

    from releases.statistics.size_frontier import Answers, size_frontier

    tables = [scores.score_table(run) for run in runs]
    answers = []
    for table in tables:
        root = table.at("")
        means = np.full(len(table.keys.case_ids), np.nan)
        means[root.cases] = root.means()
        answers.append(
            Answers(
                scores=means,
                cases=table.answer_cases.astype(np.intp),
                costs=table.cost_micros,
                latencies=table.latency_ms,
            )
        )
    clusters = tables[0].keys.clusters if tables else []
    return size_frontier(answers, clusters if any(clusters) else None)
