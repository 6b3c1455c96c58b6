"""How far runs are, for pages that stay open."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from evals.models import Run, RunSet
from evals.selectors import run_set_reports
from evals.selectors.progress import Progress, progress
from infra.console.templatetags.console import micros

_IN_A_ROW = ("done", "rate", "to_go", "failed", "errored", "cost")


def runs(ids: Iterable[UUID]) -> dict[UUID, dict[str, Any]]:
    """Facts by run, in the words of its page."""
    return {run.pk: facts_of(progress(run)) for run in Run.objects.filter(pk__in=list(ids))}


def run_sets(ids: Iterable[UUID]) -> dict[UUID, dict[str, Any]]:
    """Facts by set: those of each run that goes, under `name-RUN`; over once it has its report."""
    found = {}
    for run_set in RunSet.objects.filter(pk__in=list(ids)).select_related("report"):
        members = [(run, progress(run)) for run in run_set_reports.members(run_set)]
        found[run_set.pk] = set_facts(run_set, members)
    return found


def set_facts(run_set: RunSet, members: Iterable[tuple[Run, Progress]]) -> dict[str, Any]:
    """`state` changes with the state of any run and with the report."""
    members = list(members)
    has_report = hasattr(run_set, "report")
    states = [now.state.value for _, now in members]
    facts: dict[str, Any] = {"is_over": has_report, "state": f"{states} {has_report}"}
    for run, now in members:
        shown = facts_of(now) | {"done": f"{now.done} of {now.total}"}
        facts |= {f"{name}-{run.pk}": shown[name] for name in _IN_A_ROW}
    return facts


def facts_of(now: Progress) -> dict[str, Any]:
    """What a page shows of a run that goes."""
    return {
        "state": now.state.value,
        "is_over": now.is_over,
        "line": progress_line(now),
        "percent": done_percent(now),
        "done": now.done,
        "rate": now.rate,
        "to_go": now.to_go or "–",
        "passed": now.passed,
        "failed": now.failed,
        "refused": now.refused,
        "errored": now.errored,
        "cost": micros(now.cost_micros),
    }


def done_percent(now: Progress) -> int:
    return round(100 * now.done / now.total) if now.total else 0


def progress_line(now: Progress) -> str:
    """`120 of 200 · 8.3/s · 10 s to go`; without the rest when it is over or nothing arrives."""
    parts = [f"{now.done} of {now.total}"]
    if not now.is_over and now.per_second:
        parts += [part for part in (now.rate, now.to_go) if part]
    return " · ".join(parts)
