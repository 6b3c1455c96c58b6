"""Two checkpoints on every suite that either ran on: score, cost and latency side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from evals.models import Comparison, Metric, Run, SizeFrontier, SuiteVersion
from evals.selectors.comparisons import comparisons
from evals.selectors.judged_comparisons import root_of, shown
from evals.states import RunState
from releases.models import Checkpoint

MOST_SUITES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One checkpoint's newest whole run on a version."""

    run: Run
    metric: Metric | None
    """The whole suite's mean with its interval."""
    point: Mapping[str, Any] | None
    """Its place on the frontier, with `cost`, `p50` and `p95`; None until it was read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteLine:
    """A suite, on the newest version that both ran on; else on the newest one of either."""

    version: SuiteVersion
    incoming: Arm | None
    current: Arm | None
    comparison: Comparison | None
    root: Mapping[str, Any] | None
    """The comparison's node of the whole suite, as people are shown it."""


def measured_both(
    incoming: Checkpoint, current: Checkpoint | None, until: datetime
) -> list[SuiteLine]:
    """By suite's name, at most `MOST_SUITES`; only what there was at `until`."""
    checkpoints = [incoming.pk, *([current.pk] if current else ())]
    runs = _newest_runs(checkpoints, until)
    metrics = {m.run_id: m for m in Metric.objects.filter(run__in=runs, node="")}
    points = _points({run.version_id for run in runs}, until)
    compared = _comparisons(incoming, current, until) if current else {}
    lines = []
    for chosen in _by_suite(runs, checkpoints):
        arms = {
            pk: Arm(run=run, metric=metrics.get(run.pk), point=points.get(str(run.pk)))
            for pk, run in chosen.items()
        }
        version = next(iter(chosen.values())).version
        found = compared.get(version.pk)
        lines.append(
            SuiteLine(
                version=version,
                incoming=arms.get(incoming.pk),
                current=arms.get(current.pk) if current else None,
                comparison=found,
                root=root_of(shown(found, until).nodes) if found else None,
            )
        )
    return lines


def _newest_runs(checkpoints: Sequence[UUID], until: datetime) -> list[Run]:
    """The newest run that asked every case, a version and checkpoint."""
    found = Run.objects.filter(
        checkpoint__in=checkpoints,
        state=RunState.COMPLETED.value,
        ended_because="",
        finished_at__lte=until,
        version__suite__is_internal=False,
    )
    newest = found.order_by("version_id", "checkpoint_id", "-created_at")
    return list(newest.distinct("version_id", "checkpoint_id").select_related("version__suite"))


def _by_suite(runs: Iterable[Run], checkpoints: Sequence[UUID]) -> list[dict[UUID, Run]]:
    """A suite's runs on the version that most of the checkpoints ran on, the newest of those."""
    of: dict[str, dict[int, dict[UUID, Run]]] = {}
    for run in runs:
        versions = of.setdefault(run.version.suite.name, {})
        versions.setdefault(run.version.number, {})[run.checkpoint_id] = run
    chosen = [
        versions[max(versions, key=lambda number: (len(versions[number]), number))]
        for _, versions in sorted(of.items())
    ]
    return [{pk: one[pk] for pk in checkpoints if pk in one} for one in chosen[:MOST_SUITES]]


def _points(versions: Iterable[UUID], until: datetime) -> dict[str, Mapping[str, Any]]:
    """Places on the newest frontier of each version, by run."""
    rows = SizeFrontier.objects.filter(version__in=versions, read_at__lte=until)
    newest = rows.order_by("version_id", "-read_at").distinct("version_id")
    return {point["run"]: point for row in newest for point in row.points}


def _comparisons(
    incoming: Checkpoint, current: Checkpoint, until: datetime
) -> dict[UUID, Comparison]:
    """The newest comparison of the two on each version."""
    rows = comparisons().filter(
        candidate__checkpoint=incoming, baseline__checkpoint=current, compared_at__lte=until
    )
    place = "candidate__version_id"
    newest = rows.order_by(place, "-compared_at").distinct(place)
    return {row.candidate.version_id: row for row in newest}
